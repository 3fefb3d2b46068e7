-- Lets requests wait while no server of their upstream can take them (`queue`), before nginx sends them on: code that
-- chooses a server (balancer_by_lua) cannot wait. A request that goes on has the place at its server already.
local balancer = require "headgate.balancer"
local queues = require "headgate.queues"
local requests = require "headgate.requests"
local state = require "headgate.state"
local upstreams = require "headgate.upstreams"

local now = ngx.now

local M = {}

-- Return the upstream *name*, with its newest servers, if requests wait for it.
local function queued_upstream(name)
  state.sync()
  local upstream = upstreams.get(name)
  return upstream and upstream.queue and upstream
end

-- Wait until it is the turn of the request and there is a place, and take that; not longer than *deadline*.
local function wait(tries, name, deadline)
  local waiting = tries.queued.waiting
  repeat
    local upstream = queued_upstream(name)
    if not upstream then
      return {}
    end
    local place = queues.is_first(waiting) and balancer.place(upstream)
    if place then
      return place
    end
    local seconds = deadline - now()
    if seconds > 0 then
      queues.pause(waiting, seconds)
    end
  until seconds <= 0
  return { refused = true }
end

-- Have the whole body of the request here, so that a slow client has no place at a server while it sends it. This is a
-- phase of its own: after a body was read, nginx does not notice in the same phase that a client leaves.
function M.read_body()
  local ok, fault = pcall(ngx.req.read_body)
  if not ok then
    ngx.log(ngx.INFO, "the body is read later: ", fault) -- HTTP/2 without a Content-Length
  end
end

-- Let a request for *upstream* wait, if no server can take it.
local function admit(upstream)
  local name = upstream.name
  local tries, queue = requests.tries(), upstream.queue
  requests.abandon(tries)
  local place = not queues.is_occupied(name) and balancer.place(upstream)
  if place then
    tries.queued = place
    return
  end
  local waiting = queues.enter(name, queue.size, queue.timeout)
  if not waiting then
    tries.queued = { refused = true }
    return
  end
  tries.queued = { waiting = waiting }
  place = wait(tries, name, now() + queue.timeout)
  queues.leave(waiting)
  tries.queued = place
end

-- Let a request for the upstream *name* wait, if no server can take it; called by nginx when the request may pass. It
-- has no opinion on that: where one rule is enough (`satisfy any`), nginx would take an ordinary end for a permission.
function M.wait(name)
  local upstream = queued_upstream(name)
  if upstream and not ngx.is_subrequest then
    admit(upstream)
  end
  return ngx.exit(ngx.DECLINED)
end

return M
