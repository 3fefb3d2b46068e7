-- An upstream as a worker uses it, made from what the controller pushed ("u:NAME").
local failures = require "headgate.failures"
local health = require "headgate.health"
local methods = require "headgate.methods"
local metrics = require "headgate.metrics"
local slow_start = require "headgate.slow_start"
local state = require "headgate.state"
local sticky = require "headgate.sticky"
local text_of = require "headgate.texts"

local match, random = string.match, math.random
local variables = ngx.var

local COUNTS = { least_conn = true, random_two = true, least_time = true, random_two_least_time = true }

local M = {}
-- Peers by upstream and name, as long as an upstream or a request needs them: what is counted outlives a change.
local alive = setmetatable({}, { __mode = "v" })
M.peers = alive

-- nginx's ip_hash takes the first three octets of an IPv4 address, and all of an IPv6 address.
local function network()
  local address = variables.remote_addr
  return match(address, "^(%d+%.%d+%.%d+)%.") or address
end

local function peer_of(upstream, value, max_fails, check)
  local name = state.peer_name(value)
  local key = upstream .. "|" .. name
  local peer = alive[key]
  if not peer then
    peer = {
      address = value.a, port = value.p, name = name, active = 0, failures = 0, failed_at = 0, checked = 0,
      current_weight = 0, since = 0, count = key, takes = 0, measured_at = 0, started = 0,
    }
    alive[key] = peer
  end
  peer.effective_weight = 1
  peer.shared_until = max_fails > 0 and state.down_until(upstream, name) or 0
  peer.down_until = peer.shared_until
  peer.out = health.is_out(upstream, name, check)
  return peer
end

local function peers_of(upstream, values, max_fails, check)
  local peers = {}
  for i, each in ipairs(values) do
    peers[i] = peer_of(upstream, each, max_fails, check)
  end
  return peers
end

-- Return what a method needs of the servers among which it chooses.
local function group_of(peers, method, subset)
  return {
    peers = peers, turn = #peers > 0 and random(#peers) or 0,
    ring = (method == "consistent_hash" or method == "consistent_subset") and methods.ring(peers), subset = subset,
  }
end

local function joined(one, other)
  local all = { unpack(one) }
  for _, each in ipairs(other) do
    all[#all + 1] = each
  end
  return all
end

state.decode("u", function(name, value)
  local max_fails = value.max_fails or 1
  local peers = peers_of(name, value.peers, max_fails, value.check)
  local backup = peers_of(name, value.backup or {}, max_fails)
  local draining = peers_of(name, value.draining or {}, max_fails)
  local method = value.method or "round_robin"
  local upstream = group_of(peers, method, value.subset)
  upstream.name = name
  upstream.backup = backup[1] and group_of(backup, method, value.subset)
  upstream.all = joined(peers, backup)
  failures.watch(upstream)
  upstream.choose = methods[method]
  upstream.text = method == "ip_hash" and network or value.key and text_of(value.key)
  upstream.cookie = value.cookie and sticky.cookie(value.cookie, peers, draining)
  upstream.max_fails, upstream.fail_timeout = max_fails, value.fail_timeout or 10
  upstream.max_conns, upstream.counts = value.max_conns, COUNTS[method] or metrics.on
  upstream.queue, upstream.times = value.queue, value.times
  upstream.slow_start, upstream.pooled = value.slow_start, value.pooled ~= false
  upstream.idle, upstream.requests = value.idle, value.requests
  -- Whether the method alone chooses. Where it does, the balancer reads few fields: of thousands of upstreams, none is
  -- in the caches of the processor.
  upstream.plain = #peers > 0 and not (upstream.backup or upstream.text or upstream.cookie or upstream.slow_start
    or upstream.max_conns)
  if upstream.slow_start then
    slow_start.resume(upstream)
  end
  return upstream
end, function(value) return type(value.peers) == "table" end)

-- Return the upstream *name* with its newest servers, nil if there is none.
function M.get(name)
  return state.get("u", name)
end

return M
