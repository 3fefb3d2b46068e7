-- Chooses a server for each try of a request: the live state has the servers, not the configuration.
--
-- What nginx counts itself stays with nginx: the conditions, the number and the time of tries (proxy_next_upstream…).
local balancer = require "ngx.balancer"
local connections = require "headgate.connections"
local failures = require "headgate.failures"
local requests = require "headgate.requests"
local response_times = require "headgate.response_times"
local slow_start = require "headgate.slow_start"
local state = require "headgate.state"
local sticky = require "headgate.sticky"
local upstreams = require "headgate.upstreams"

local set_current_peer, set_more_tries = balancer.set_current_peer, balancer.set_more_tries
local get_last_failure, enable_keepalive = balancer.get_last_failure, balancer.enable_keepalive
local max, now, find, match, sub = math.max, ngx.now, string.find, string.match, string.sub
local variables, is_internal = ngx.var, ngx.req.is_internal

local DECLINED, BUSY = ngx.ERROR, -3 -- NGX_ERROR answers 500, NGX_BUSY 502
local IDLE_S, REQUESTS = 60, 1000 -- how long a connection to a server is kept: what nginx does in an upstream block

local M = {}

local function usable(upstream, failed, time)
  local most = upstream.max_conns
  return function(peer)
    if failed and failed[peer] or peer.down_until > time or peer.out then
      return false
    end
    return not (most and connections.is_full(peer.count, most))
  end
end

local function always() return true end

-- Choose one of the servers that *may_be* chosen, a backup if there is none.
local function pick(upstream, may_be, failed, text)
  local peers, backup = upstream.peers, upstream.backup
  local warming = upstream.slow_start and slow_start.usable(upstream, may_be)
  local peer = warming and upstream:choose(peers, warming, failed) or upstream:choose(peers, may_be, failed, text)
  if backup and not peer then
    return upstream.choose(backup, backup.peers, may_be, failed, text)
  end
  return peer
end

-- Return whether a server would be chosen if it had a place: none of *upstream* was.
local function is_full(upstream, time)
  for _, peer in ipairs(upstream.all) do
    if peer.down_until <= time and not peer.out then
      return true
    end
  end
  return false
end

local function choose(upstream, failed)
  if upstream.plain and not failed and not upstream.watched_until then
    return upstream:choose(upstream.peers, always)
  elseif #upstream.peers == 0 then
    return nil
  end
  local may_be = always
  if failed or upstream.watched_until or upstream.max_conns then
    local time = now()
    if upstream.watched_until and upstream.watched_until <= time then
      upstream.watched_until = nil
    end
    may_be = usable(upstream, failed, time)
  end
  local text = upstream.text and upstream.text()
  local known = upstream.cookie and sticky.peer(upstream.cookie)
  if known and may_be(known) then
    return known
  end
  local peer = pick(upstream, may_be, failed, text)
  if peer or failed or upstream.max_conns and is_full(upstream, now()) then
    return peer
  end
  -- None is left: one that may have recovered is better than an error.
  failures.reset_failures(upstream)
  return known and may_be(known) and known or pick(upstream, may_be, failed, text)
end

-- Choose a server. nginx adds a try where a kept connection had been closed: if all servers failed, it is for the last.
local function any(upstream, failed, tries)
  return choose(upstream, failed) or failed and tries.peer
end

-- Take a place for the request at *peer*, unless it is full.
local function take(upstream, peer, tries)
  if connections.take(peer.count, upstream.max_conns) then
    tries.shared = peer.count
    return peer
  end
end

-- Return whether *peer* may still be asked.
local function has(upstream, peer)
  for _, each in ipairs(upstream.all) do
    if each == peer then
      return not peer.out
    end
  end
  return upstream.cookie and upstream.cookie.draining[peer]
end

-- Return the server whose place the request got where it waited; whether it is refused.
local function taken_over(upstream, tries)
  local queued = tries.queued
  if queued.count and queued.upstream == upstream.name and has(upstream, queued.peer) then
    tries.queued, tries.shared = nil, queued.count
    return queued.peer
  end
  requests.abandon(tries)
  return nil, queued.refused
end

-- Return a server that can take a request, and the name under which the place that it took is counted, in a table; nil
-- if there is none.
function M.place(upstream)
  for _ = 1, #upstream.all + 1 do
    local peer = choose(upstream)
    if not peer then
      return nil
    elseif not upstream.max_conns then
      return {}
    elseif connections.take(peer.count, upstream.max_conns) then
      return { upstream = upstream.name, peer = peer, count = peer.count }
    end
  end
end

-- Choose a server with a place for the request, and take the place; another worker may be faster.
local function reserve(upstream, failed, tries)
  if tries.queued then
    local peer, is_refused = taken_over(upstream, tries)
    if peer or is_refused then
      return peer
    end
  end
  for _ = 1, #upstream.all + 1 do
    local peer = any(upstream, failed, tries)
    if not peer or take(upstream, peer, tries) then
      return peer
    end
  end
end

-- Take the result of the previous try, and exclude its peer.
local function after_failure(tries, failure)
  local peer = tries.peer
  requests.release(tries)
  if failure == "failed" then
    failures.count(tries.upstream, peer)
  end
  if tries.upstream.times then
    response_times.failed(peer)
  end
  tries.failed = tries.failed or {}
  tries.failed[peer] = true
end

-- Return whether the last try of the request was at *peer*; it may have been at an upstream whose servers are in files.
local function was_last(peer)
  return match(variables.upstream_addr or "", "([^ ,]+)[ :]*$") == peer.name
end

-- Begin with nothing; an earlier upstream of the same request (error_page) is over. Its last try got no answer if
-- $upstream_header_time is "-" before the colon; what follows is of this upstream.
local function first_try(tries)
  if not tries.upstream then
    tries.earlier = nil
    return
  end
  local times, peer = variables.upstream_header_time, tries.peer
  if peer and times and find(times, "%-%s*:[^:]*$") and was_last(peer) then
    failures.count(tries.upstream, peer)
  end
  requests.move(tries)
end

-- Let nginx try *peer*, and each other server that is not left out, once; it cuts this to proxy_next_upstream_tries.
local function set_tries(upstream, peer)
  local all = upstream.plain and upstream.peers or upstream.all
  local count = #all + (not upstream.plain and upstream.cookie and upstream.cookie.draining[peer] and 1 or 0)
  if upstream.watched_until then
    local time = now()
    for i = 1, #all do
      count = count - ((all[i].down_until > time or all[i].out) and 1 or 0)
    end
    count = max(count, 1)
  end
  if count > 1 then
    set_more_tries(count - 1)
  end
end

-- Choose a server of the upstream *name*; called by nginx before each try. Its connection may be kept where it is
-- *pooled*.
function M.balance(name, pooled)
  state.sync()
  local tries, is_logged = requests.tries()
  local failure = get_last_failure()
  if failure and tries.peer then
    after_failure(tries, failure)
  else
    first_try(tries)
  end
  -- Each try sees the newest servers; the upstream of a retry may be gone meanwhile.
  local upstream = upstreams.get(name) or failure and tries.upstream or tries.assigned
  if not upstream then
    return ngx.exit(DECLINED)
  end
  local limited = not upstream.plain and upstream.max_conns and is_logged
  local peer = (limited and reserve or any)(upstream, tries.failed, tries)
  if not peer then
    tries.upstream, tries.peer = upstream, nil
    return ngx.exit(BUSY)
  end
  if not failure then
    set_tries(upstream, peer)
  end
  if peer.failures > 0 or peer.down_until > 0 then
    failures.check(upstream, peer)
  end
  tries.upstream, tries.peer = upstream, peer
  if not upstream.plain and upstream.cookie then
    sticky.answer(upstream.cookie, tries, peer)
  end
  if upstream.counts and is_logged then
    peer.active = peer.active + 1
    tries.counted = peer
    if upstream.times and upstream.times.inflight then
      tries.started = now()
      peer.started = peer.started + tries.started
    end
  end
  local ok, fault = set_current_peer(peer.address, peer.port)
  if not ok then
    ngx.log(ngx.ERR, "upstream ", name, ": ", fault)
    return ngx.exit(DECLINED)
  end
  if pooled and upstream.pooled then
    enable_keepalive(upstream.idle or IDLE_S, upstream.requests or REQUESTS)
  end
end

-- Choose a server of the upstream that the request is assigned to. Only the main request is ever assigned.
function M.balance_routed()
  local assigned = requests.tries().assigned
  if not assigned then
    return ngx.exit(DECLINED)
  end
  return M.balance(assigned.name, true)
end

-- Return whether the last try of this request got an answer, by *time* ($upstream_header_time); nil if the client left
-- before. nginx tells `balance` only of tries that another one follows. The status of the request may be that of an
-- error_page.
local function answered(time)
  if not time or sub(time, -1) ~= "-" then
    return true
  end
  local status = sub(variables.upstream_status or "", -3)
  if status == "502" or status == "504" then
    return false
  end
end

-- Return whether there is nothing to count of a request whose last try was at *peer*: it did not fail, or nobody asks.
-- The status may be that of an error_page: after an internal redirect (that to a profile is one, too), or one of 3xx.
local function went_well(peer)
  local status = ngx.status
  return (status < 300 or status >= 400 and status ~= 502 and status ~= 504)
    and peer.failures == 0 and peer.down_until == 0 and not is_internal()
end

-- Count what became of a request; called by nginx when it has ended. Return its last live upstream, its last peer
-- there (nil if all were full or left out), $upstream_header_time if it was read, and the live upstreams before (nil if
-- none); nothing if it was at none.
function M.log()
  local tries, host = requests.ended()
  if not tries then
    return nil, nil, nil, nil, host
  end
  local upstream, peer, earlier = tries.upstream, tries.peer, tries.earlier
  requests.clear(tries)
  if peer and not upstream.times and went_well(peer) then
    return upstream, peer, nil, earlier, host -- reading a variable of times costs more than all of this
  end
  local time = variables.upstream_header_time
  local success = answered(time)
  if upstream.times and peer and success ~= nil and was_last(peer) then
    if success then
      response_times.answered(upstream, peer, time)
    else
      response_times.failed(peer)
    end
  end
  if success == false then
    if peer and was_last(peer) then
      failures.count(upstream, peer)
    end
  elseif success and peer and (peer.failures > 0 or peer.down_until > 0) and was_last(peer) then
    failures.forget(upstream, peer)
  end
  return upstream, peer, time, earlier, host
end

return M
