-- Chooses a server for each try of a request: the live state has the servers, not the configuration.
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
local find, match, sub, concat = string.find, string.match, string.sub, table.concat
local address_of = ffi.typeof "uintptr_t"
local variables = ngx.var

local DECLINED, BUSY = ngx.ERROR, -3 -- NGX_ERROR answers 500, NGX_BUSY 502
local COUNTS = { least_conn = true, random_two = true }

local M = {}
-- Of each request, by its address: its tries. An address is used again by later requests, and so is the table: `balance`
-- sets all of it at a first try, and `log` clears it. A subrequest has no log phase; it has a table that only its own
-- tries read.
local requests, subrequests = {}, {}
local kept, most = 0, 1024 -- tables in `requests`, and with how many those of addresses that are free are dropped
-- The key of each upstream by its name: joining texts costs more than a lookup.
local keys = setmetatable({}, { __index = function(all, name)
  all[name] = "u:" .. name
  return all[name]
end })
-- Peers by upstream and name, as long as an upstream or a request needs them: what is counted outlives a change.
local alive = setmetatable({}, { __mode = "v" })

-- Return a function for the value of a text with variables, which the controller split: every second part is a name.
local function text_of(parts)
  local count = #parts
  if parts[1] == "" and (count == 2 or count == 3 and parts[3] == "") then
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

local function peer_of(upstream, value, max_fails)
  local name = state.peer_name(value)
  local key = upstream .. "|" .. name
  local peer = alive[key]
  if not peer then
    peer = { address = value.a, port = value.p, name = name, active = 0, failures = 0, failed_at = 0, checked = 0 }
    alive[key] = peer
  end
  peer.down_until = max_fails > 0 and state.down_until(upstream, name) or 0
  return peer
end

state.decode("u", function(name, value)
  local peers, watched = {}, false
  local max_fails = value.max_fails or 1
  for i, each in ipairs(value.peers) do
    local peer = peer_of(name, each, max_fails)
    peers[i] = peer
    watched = watched or peer.down_until > 0
  end
  local method = value.method or "round_robin"
  return {
    name = name, peers = peers, watched = watched,
    turn = #peers > 0 and math.random(#peers) or 0,
    choose = methods[method],
    text = method == "ip_hash" and network or value.key and text_of(value.key),
    ring = method == "consistent_hash" and methods.ring(peers),
    max_fails = max_fails, fail_timeout = value.fail_timeout or 10,
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

-- Count a failure, as nginx does: after max_fails all workers leave the peer out for fail_timeout.
local function count_failure(upstream, peer)
  if upstream.max_fails == 0 or #upstream.peers < 2 then
    return
  end
  local time = now()
  peer.failures = peer.failures + 1
  peer.failed_at, peer.checked = time, time
  if peer.failures >= upstream.max_fails then
    announce_down(upstream, peer, time + upstream.fail_timeout)
  end
end

-- Forget the failures of a peer that answered, if it was chosen when fail_timeout was over.
local function count_success(upstream, peer)
  if peer.failed_at < peer.checked then
    peer.failures = 0
    if peer.down_until > 0 then
      announce_down(upstream, peer, 0)
    end
  end
end

local function usable(upstream, failed, time)
  return function(peer)
    if failed and failed[peer] or upstream.max_conns and peer.active >= upstream.max_conns then
      return false
    end
    return peer.down_until <= time
  end
end

-- Note that *peer*, which failed before, was chosen. Where it was left out, one request of this worker tries it; the
-- others wait for what becomes of that.
local function check(upstream, peer)
  local time = now()
  if time - peer.checked > upstream.fail_timeout or peer.down_until > 0 then
    peer.checked = time
  end
  if peer.down_until > 0 then
    peer.down_until = time + upstream.fail_timeout
    peer.failures = max(peer.failures, upstream.max_fails - 1)
  end
end

local function always() return true end

local function choose(upstream, failed)
  local peers = upstream.peers
  if #peers == 0 then
    return nil
  end
  local may_be = always
  if failed or upstream.watched or upstream.max_conns then
    may_be = usable(upstream, failed, now())
  end
  local peer = upstream:choose(peers, may_be, failed, upstream.text and upstream.text())
  if peer or failed or upstream.max_conns then
    return peer
  end
  -- None is left: one that may have recovered is better than an error.
  for i = 1, #peers do
    peers[i].down_until, peers[i].failures = 0, 0
  end
  return upstream:choose(peers, always, failed, upstream.text and upstream.text())
end

local function drop_free()
  kept = 0
  for address, tries in pairs(requests) do
    if tries.upstream then
      kept = kept + 1
    else
      requests[address] = nil
    end
  end
  most = max(1024, 2 * kept)
end

-- Return the tries of the current request: the upstream, the peer of the last try, the peers that failed (nil if none),
-- and the peer whose `active` counts the request (nil if none does).
local function tries_of_request()
  local address = tonumber(cast(address_of, get_request()))
  local of = ngx.is_subrequest and subrequests or requests
  local tries = of[address]
  if not tries then
    if of == requests then
      if kept >= most then
        drop_free() -- before the new table is in it, which looks free, too
      end
      kept = kept + 1
    end
    tries = { upstream = nil, peer = nil, failed = nil, counted = nil }
    of[address] = tries
  end
  return tries, of == requests
end

-- Take back what the previous try of this request counted.
local function release(tries)
  local peer = tries.counted
  if peer then
    peer.active = peer.active - 1
    tries.counted = nil
  end
end

local function clear(tries)
  release(tries)
  tries.upstream, tries.peer, tries.failed = nil, nil, nil
end

-- Take the result of the previous try, and exclude its peer.
local function after_failure(tries, failure)
  local peer = tries.peer
  release(tries)
  if failure == "failed" then
    count_failure(tries.upstream, peer)
  end
  tries.failed = tries.failed or {}
  tries.failed[peer] = true
end

-- Begin with nothing; an earlier upstream of the same request (error_page) is over. Its last try got no answer if
-- $upstream_header_time is "-" before the colon; what follows is of this upstream.
local function first_try(tries)
  if not tries.upstream then
    return
  end
  local times = variables.upstream_header_time
  if times and find(times, "%-%s*:[^:]*$") then
    count_failure(tries.upstream, tries.peer)
  end
  clear(tries)
end

-- Let nginx try each server that is not left out once; it cuts this to proxy_next_upstream_tries.
local function set_tries(upstream)
  local count = #upstream.peers
  if upstream.watched then
    local time = now()
    for i = 1, #upstream.peers do
      count = count - (upstream.peers[i].down_until > time and 1 or 0)
    end
    count = count == 0 and #upstream.peers or count
  end
  if count > 1 then
    set_more_tries(count - 1)
  end
end

-- Choose a server of the upstream *name*; called by nginx before each try.
function M.balance(name)
  state.sync()
  local tries, is_logged = tries_of_request()
  local failure = get_last_failure()
  if failure then
    after_failure(tries, failure)
  else
    first_try(tries)
  end
  -- Each try sees the newest servers; the upstream of a retry may be gone meanwhile.
  local upstream = state.get(keys[name]) or failure and tries.upstream
  if not upstream then
    return ngx.exit(DECLINED)
  end
  if not failure then
    set_tries(upstream)
  end
  -- nginx adds a try where a kept connection had been closed: when all peers failed, it is the last one's.
  local peer = choose(upstream, tries.failed) or tries.failed and tries.peer
  if not peer then
    return ngx.exit(BUSY)
  end
  if peer.failures > 0 or peer.down_until > 0 then
    check(upstream, peer)
  end
  tries.upstream, tries.peer = upstream, peer
  if upstream.counts and is_logged then
    peer.active = peer.active + 1
    tries.counted = peer
  end
  local ok, fault = set_current_peer(peer.address, peer.port)
  if not ok then
    ngx.log(ngx.ERR, "upstream ", name, ": ", fault)
    return ngx.exit(DECLINED)
  end
end

-- Return whether the last try of this request got an answer; nil if the client left before. nginx tells `balance` only
-- of tries that another one follows. The status of the request may be that of an error_page.
local function answered()
  local time = variables.upstream_header_time
  if not time or sub(time, -1) ~= "-" then
    return true
  end
  local status = sub(variables.upstream_status or "", -3)
  if status == "502" or status == "504" then
    return false
  end
end

-- Count what became of a request; called by nginx when it has ended.
function M.log()
  local tries = requests[tonumber(cast(address_of, get_request()))]
  if not (tries and tries.upstream) then
    return
  end
  local upstream, peer = tries.upstream, tries.peer
  clear(tries)
  local success = answered()
  if success == false then
    count_failure(upstream, peer)
  elseif success and (peer.failures > 0 or peer.down_until > 0) then
    count_success(upstream, peer)
  end
end

return M
