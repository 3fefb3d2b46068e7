-- Chooses a server for each try of a request: upstream blocks of the configuration name no servers, the live state does.
--
-- What nginx counts itself stays with nginx: the conditions, the number and the time of tries (proxy_next_upstream…).
local balancer = require "ngx.balancer"
local get_request = require("resty.core.base").get_request
local ffi = require "ffi"
local methods = require "headgate.methods"
local state = require "headgate.state"

local set_current_peer, set_more_tries = balancer.set_current_peer, balancer.set_more_tries
local get_last_failure = balancer.get_last_failure
local cast, tonumber, now, max, ceil = ffi.cast, tonumber, ngx.now, math.max, math.ceil
local match, concat = string.match, table.concat
local address_of = ffi.typeof "uintptr_t"
local variables = ngx.var

local DECLINED, BUSY = ngx.ERROR, -3 -- NGX_ERROR answers 500, NGX_BUSY 502
local COUNTS = { least_conn = true, random_two = true }

local M = {}
-- Of each request, by its address: the upstream, the peer of the last try, and the peers that failed. An address is
-- used again by later requests: `balance` sets all three at a first try, and `log` clears them. A subrequest has no
-- log phase; it writes into tables of its own that only its own tries read.
local requests = { upstream = {}, peer = {}, failed = {} }
local subrequests = { upstream = {}, peer = {}, failed = {} }

-- Return a function for the value of a text with variables, which the controller split: every second part is a name.
local function text_of(parts)
  local count = #parts
  if count == 2 and parts[1] == "" then
    local name = parts[2]
    return function() return variables[name] or "" end
  end
  return function()
    local found = {}
    for i = 1, count do
      found[i] = i % 2 == 1 and parts[i] or variables[parts[i]] or ""
    end
    return concat(found)
  end
end

-- nginx's ip_hash takes the first three octets of an IPv4 address, and all of an IPv6 address.
local function network()
  local address = variables.remote_addr
  return match(address, "^(%d+%.%d+%.%d+)%.") or address
end

local function new_peer(name, value)
  local port = value.p
  local peer = {
    address = value.a, port = port, weight = value.w or 1, current = 0, active = 0, failures = 0, failed_at = 0,
    name = port and value.a .. ":" .. port or value.a,
  }
  peer.down_until = state.down_until(name, peer.name)
  return peer
end

state.decode("u", function(name, value)
  local peers, weights, equal, watched = {}, 0, true, false
  for i, each in ipairs(value.peers) do
    local peer = new_peer(name, each)
    peers[i] = peer
    weights = weights + peer.weight
    equal = equal and peer.weight == peers[1].weight
    watched = watched or peer.down_until > 0
  end
  local method = value.method or "round_robin"
  return {
    name = name, peers = peers, weights = weights, equal = equal, watched = watched,
    turn = #peers > 0 and math.random(#peers) or 0,
    choose = methods[method],
    text = method == "ip_hash" and network or value.key and text_of(value.key),
    ring = method == "consistent_hash" and methods.ring(peers),
    max_fails = value.max_fails or 1, fail_timeout = value.fail_timeout or 10,
    -- Each worker counts for itself, and has its share.
    max_conns = value.max_conns and ceil(value.max_conns / ngx.worker.count()),
    counts = COUNTS[method] or value.max_conns ~= nil,
  }
end)

-- "d:UPSTREAM|PEER|TIME": a worker found the peer unreachable and leaves it out until TIME, or (0) found it well again.
state.listen("d", function(text)
  local name, peer_name, time = match(text, "^(.*)|(.*)|(.*)$")
  local upstream = state.known("u:" .. name)
  for _, peer in ipairs(upstream and upstream.peers or {}) do
    if peer.name == peer_name then
      peer.down_until = tonumber(time)
      upstream.watched = true
    end
  end
end)

local function announce_down(upstream, peer, time)
  state.set_down(upstream.name, peer.name, time)
  state.announce { "d:" .. upstream.name .. "|" .. peer.name .. "|" .. time }
  peer.down_until = time
  upstream.watched = true
end

-- Count a failure; after max_fails within fail_timeout all workers leave the peer out for fail_timeout.
local function count_failure(upstream, peer, time)
  if upstream.max_fails == 0 or #upstream.peers < 2 then
    return
  end
  peer.failures = time - peer.failed_at > upstream.fail_timeout and 1 or peer.failures + 1
  peer.failed_at = time
  if peer.failures >= upstream.max_fails then
    announce_down(upstream, peer, time + upstream.fail_timeout)
  end
end

local function usable(upstream, failed, time)
  return function(peer)
    if failed and failed[peer] or upstream.max_conns and peer.active >= upstream.max_conns then
      return false
    end
    if peer.down_until == 0 then
      return true
    elseif peer.down_until > time then
      return false
    end
    -- One request of this worker tries it; the others wait for what becomes of that.
    peer.down_until = time + upstream.fail_timeout
    peer.failures = upstream.max_fails - 1
    peer.failed_at = time
    return true
  end
end

local function always() return true end

local function choose(upstream, failed)
  local peers = upstream.peers
  if #peers == 0 then
    return nil
  end
  local check = always
  if failed or upstream.watched or upstream.max_conns then
    check = usable(upstream, failed, now())
  end
  local peer = upstream:choose(peers, check, failed, upstream.text and upstream.text())
  if peer or failed or upstream.max_conns then
    return peer
  end
  -- None is left: one that may have recovered is better than an error.
  for i = 1, #peers do
    peers[i].down_until, peers[i].failures = 0, 0
  end
  return upstream:choose(peers, always, failed, upstream.text and upstream.text())
end

-- Take back what the previous try of this request counted, and exclude its peer.
local function after_failure(upstream, tries, key, failure)
  local peer, failed = tries.peer[key], tries.failed[key]
  if upstream.counts and tries == requests then
    peer.active = peer.active - 1
  end
  if failure == "failed" then
    count_failure(upstream, peer, now())
  end
  if not failed then
    failed = {}
    tries.failed[key] = failed
  end
  failed[peer] = true
  return failed
end

-- Begin with the newest servers; an earlier upstream of the same request (error_page) is over.
local function first_try(name, tries, key)
  local earlier, upstream = tries.upstream[key], state.get("u:" .. name)
  if earlier and earlier.counts and tries == requests then
    tries.peer[key].active = tries.peer[key].active - 1
  end
  tries.upstream[key], tries.peer[key], tries.failed[key] = nil, nil, nil
  if upstream and #upstream.peers > 1 then
    set_more_tries(#upstream.peers - 1) -- nginx cuts this to proxy_next_upstream_tries
  end
  return upstream
end

-- Choose a server of the upstream *name*; called by nginx before each try.
function M.balance(name)
  state.sync()
  local key = tonumber(cast(address_of, get_request()))
  local tries = ngx.is_subrequest and subrequests or requests
  local failure = get_last_failure()
  local upstream, failed
  if failure then
    upstream = tries.upstream[key]
    failed = after_failure(upstream, tries, key, failure)
  else
    upstream = first_try(name, tries, key)
  end
  if not upstream then
    return ngx.exit(DECLINED)
  end
  -- nginx adds a try where a kept connection had been closed: when all peers failed, it is the last one's.
  local peer = choose(upstream, failed) or failed and tries.peer[key]
  if not peer then
    return ngx.exit(BUSY)
  end
  tries.upstream[key], tries.peer[key] = upstream, peer
  if upstream.counts and tries == requests then
    peer.active = peer.active + 1
  end
  local ok, fault = set_current_peer(peer.address, peer.port)
  if not ok then
    ngx.log(ngx.ERR, "upstream ", name, ": ", fault)
    return ngx.exit(DECLINED)
  end
end

-- Whether the last try of this request got no answer; nginx tells `balance` only of tries that another one follows.
local function unanswered()
  local status = ngx.status
  if status < 502 or status > 504 then
    return false
  end
  local time = variables.upstream_header_time
  return time and time:sub(-1) == "-"
end

-- Count what became of a request; called by nginx when it has ended.
function M.log()
  local key = tonumber(cast(address_of, get_request()))
  local upstream = requests.upstream[key]
  if not upstream then
    return
  end
  local peer = requests.peer[key]
  requests.upstream[key], requests.peer[key], requests.failed[key] = nil, nil, nil
  if upstream.counts then
    peer.active = peer.active - 1
  end
  if unanswered() then
    count_failure(upstream, peer, now())
  elseif peer.failures > 0 and ngx.status ~= 499 then
    peer.failures = 0
    if peer.down_until > 0 then
      announce_down(upstream, peer, 0)
    end
  end
end

return M
