-- The order of requests that wait for a server, over all workers. In the dict of connections.lua are
--
--   n:UPSTREAM|queue     how many wait, counted like requests at a server
--   tail:UPSTREAM        the last ticket that was given out
--   head:UPSTREAM        the last ticket whose turn is over; the next one that still waits is first
--   t:UPSTREAM|TICKET    the pid of the worker in which the request with the ticket waits
--
-- Workers cannot wake each other: the first request of each one asks again after POLL_S; at once, when a request of
-- the same worker ends.
local connections = require "headgate.connections"
local semaphore = require "ngx.semaphore"
local workers = require "headgate.workers"

local counts = ngx.shared.headgate_counts
local max, min = math.max, math.min

local POLL_S = 0.002
local SHORTEST_S = 0.001 -- a shorter wait would be none, and the time of nginx would stand still
local LOCKED_S = 0.05 -- of a worker that died
local KEPT_S = 60 -- a ticket of a worker that was killed, longer than its request could wait

local M = {}
local lanes = {} -- upstream -> the requests of this worker that wait, linked: first, last

M.NAME = "queue" -- in place of a server, where it is counted how many wait

local function count_of(upstream) return upstream .. "|" .. M.NAME end

local function head_of(upstream) return "head:" .. upstream end

local function ticket_of(upstream, number) return "t:" .. upstream .. "|" .. number end

-- Return whether a request of *upstream* waits, in any worker.
function M.is_occupied(upstream)
  return connections.is_full(count_of(upstream), 1)
end

local function link(waiting)
  local lane = lanes[waiting.upstream]
  if not lane then
    lane = {}
    lanes[waiting.upstream] = lane
  end
  waiting.previous = lane.last
  if lane.last then
    lane.last.next = waiting
  else
    lane.first = waiting
  end
  lane.last = waiting
end

local function unlink(waiting)
  local lane, before, after = lanes[waiting.upstream], waiting.previous, waiting.next
  if before then
    before.next = after
  else
    lane.first = after
  end
  if after then
    after.previous = before
  else
    lane.last = before
  end
  if not lane.first then
    lanes[waiting.upstream] = nil
  end
end

-- Let the first request of this worker that waits for *upstream* look again: a place may be free.
function M.wake(upstream)
  local lane = lanes[upstream]
  if lane then
    lane.first.signal:post(1)
  end
end

-- Put a request at the end of the queue of *upstream*, where it may wait for *seconds*; nil if *size* wait already.
function M.enter(upstream, size, seconds)
  if not connections.take(count_of(upstream), size) then
    return nil
  end
  local ticket = counts:incr("tail:" .. upstream, 1, 0)
  counts:add(head_of(upstream), ticket - 1)
  counts:set(ticket_of(upstream, ticket), ngx.worker.pid(), seconds + KEPT_S)
  local waiting = { upstream = upstream, ticket = ticket, signal = semaphore.new() }
  link(waiting)
  return waiting
end

-- Take a request out of its queue.
function M.leave(waiting)
  local is_first = lanes[waiting.upstream].first == waiting
  unlink(waiting)
  counts:delete(ticket_of(waiting.upstream, waiting.ticket))
  connections.release(count_of(waiting.upstream))
  if is_first then
    M.wake(waiting.upstream)
  end
end

-- Note that the turn of the ticket after *over* has passed; return the last ticket whose turn is over now, nil if
-- another worker does this.
local function advance(upstream, over)
  local lock = "queue " .. upstream
  if not workers.lock(lock, LOCKED_S) then
    return nil
  end
  local key = head_of(upstream)
  local number = counts:get(key)
  if number == over then
    number = counts:incr(key, 1)
  end
  workers.unlock(lock)
  return number
end

-- Return whether no request waits that came before *waiting*. One whose worker died does not wait.
function M.is_first(waiting)
  local upstream, ticket = waiting.upstream, waiting.ticket
  if lanes[upstream].first ~= waiting then
    return false
  end
  local over = counts:get(head_of(upstream))
  while over and over + 1 < ticket do
    local pid = counts:get(ticket_of(upstream, over + 1))
    if pid and workers.is_alive(pid) then
      return false
    end
    over = advance(upstream, over)
    if not over then
      return false
    end
  end
  return true
end

-- Wait until something may have changed, for *seconds* at most.
function M.pause(waiting, seconds)
  local is_first = lanes[waiting.upstream].first == waiting
  waiting.signal:wait(max(SHORTEST_S, is_first and min(POLL_S, seconds) or seconds))
end

-- Forget the order at an upstream that has no queue any more.
function M.forget(upstream)
  counts:delete(head_of(upstream))
  counts:delete("tail:" .. upstream)
end

return M
