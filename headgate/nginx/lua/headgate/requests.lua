-- What is known of each request between its tries, by its address: Lua has no cheaper place for that.
local connections = require "headgate.connections"
local queues = require "headgate.queues"
local get_request = require("resty.core.base").get_request
local ffi = require "ffi"

local cast, tonumber, max = ffi.cast, tonumber, math.max
local address_of = ffi.typeof "uintptr_t"

local M = {}
-- An address is used again by later requests, and so is the table: a first try sets all of it, and the log phase clears
-- it. A subrequest has no log phase: its table is in its ngx.ctx, and lasts as long.
local requests = {}
local kept, most = 0, 1024 -- tables in `requests`, and with how many those of addresses that are free are dropped

local function drop_free()
  kept = 0
  for address, tries in pairs(requests) do
    if tries.upstream or tries.assigned or tries.host or tries.queued then
      kept = kept + 1
    else
      requests[address] = nil
    end
  end
  most = max(1024, 2 * kept)
end

local function new_tries()
  return {
    upstream = nil, peer = nil, failed = nil, counted = nil, shared = nil, cookie = nil, earlier = nil, assigned = nil,
    host = nil, queued = nil, started = nil,
  }
end

-- Return the tries of the current request, and whether it has a log phase. They are the upstream, the peer of the last
-- try, the peers that failed (nil if none), the peer whose `active` counts the request, the name under which all
-- workers count it, the cookie that its answer sets (nil if none), and the live upstreams that it was at before (nil if
-- none): a list of {upstream, server}, names, the server being the last one there ("" if all were full); of a request
-- for a host without a server block also that host, and the upstream that it is assigned to; of one for an upstream
-- with `queue`, until its first try, what `waiting` has for it: {waiting}, {peer, count}, or {refused}; of one
-- whose time counts while it is under way, when the last try started.
function M.tries()
  if ngx.is_subrequest then
    local context = ngx.ctx
    context.headgate_tries = context.headgate_tries or new_tries()
    return context.headgate_tries, false
  end
  local address = tonumber(cast(address_of, get_request()))
  local tries = requests[address]
  if not tries then
    if kept >= most then
      drop_free() -- before the new table is in it, which looks free, too
    end
    kept = kept + 1
    tries = new_tries()
    requests[address] = tries
  end
  return tries, true
end

-- Take back what a request has that waited for a server, and was not at one: its client left.
function M.abandon(tries)
  local queued = tries.queued
  tries.queued = nil
  if queued and queued.waiting then
    queues.leave(queued.waiting)
  elseif queued and queued.count then
    connections.release(queued.count)
    queues.wake(queued.upstream)
  end
end

-- Return the tries of a request that has ended, nil if it was at no server; and its host if that has no server block.
function M.ended()
  local tries = requests[tonumber(cast(address_of, get_request()))]
  if not tries then
    return nil
  end
  if tries.queued then
    M.abandon(tries)
  end
  local host = tries.host
  tries.assigned, tries.host = nil, nil
  return tries.upstream and tries, host
end

-- Note the host and the *upstream* (nil if none) of the current request.
function M.assign(host, upstream)
  local tries = M.tries()
  tries.host, tries.assigned = host, upstream
end

-- Take back what the previous try of a request counted.
function M.release(tries)
  local peer = tries.counted
  if peer then
    peer.active = peer.active - 1
    tries.counted = nil
    if tries.started then
      peer.started = peer.active > 0 and peer.started - tries.started or 0
      tries.started = nil
    end
  end
  if tries.shared then
    connections.release(tries.shared)
    tries.shared = nil
    queues.wake(tries.upstream.name)
  end
end

function M.clear(tries)
  M.release(tries)
  tries.upstream, tries.peer, tries.failed, tries.cookie, tries.earlier = nil, nil, nil, nil, nil
end

-- Begin at another upstream, and keep the names of the one before.
function M.move(tries)
  local earlier = tries.earlier or {}
  earlier[#earlier + 1] = { upstream = tries.upstream.name, server = tries.peer and tries.peer.name or "" }
  M.clear(tries)
  tries.earlier = earlier
end

return M
