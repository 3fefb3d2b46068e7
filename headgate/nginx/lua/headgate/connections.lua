-- Requests at each server of an upstream with max_conns, counted over all workers. Beside the number of each server
-- ("n:UPSTREAM|PEER") each worker keeps its own part of it ("w:PID|UPSTREAM|PEER"), which is taken back if it dies.
local workers = require "headgate.workers"

local counts = ngx.shared.headgate_counts
local ipairs, match, min, now, pairs, tonumber = ipairs, string.match, math.min, ngx.now, pairs, tonumber

local FORGET_AFTER_S = 3600 -- the number of a server that is gone, but has requests
local WARN_AFTER_S = 60 -- the time between two warnings

local M = {}
local own -- what the keys of this worker begin with
local warned = 0

local function total_of(name) return "n:" .. name end

-- Warn that a number was evicted for one that is new.
local function warn()
  if now() - warned > WARN_AFTER_S then
    warned = now()
    ngx.log(ngx.ERR, "the memory in which requests are counted for max-conns is full, and servers may get more ",
      "requests; set -live-memory to more")
  end
end

-- Return whether there are *most* requests at the server *name* ("UPSTREAM|PEER").
function M.is_full(name, most)
  return (counts:get(total_of(name)) or 0) >= most
end

-- Count a request at the server *name*; return false if there are *most* already.
function M.take(name, most)
  local number, _, evicted = counts:incr(total_of(name), 1, 0)
  if number and number > most then
    counts:incr(total_of(name), -1)
    return false
  end
  local _, _, evicted_too = counts:incr(own .. name, 1, 0)
  if evicted or evicted_too then
    warn()
  end
  return true
end

local function give_back(name, number)
  local left = counts:incr(total_of(name), -number)
  if left and left < 0 then -- the number had been evicted meanwhile
    counts:incr(total_of(name), min(number, -left))
  end
end

-- Take back what `take` counted.
function M.release(name)
  give_back(name, 1)
  if counts:incr(own .. name, -1) == 0 then
    counts:delete(own .. name)
  end
end

-- Take back what a worker that ended counted under *key* for the server *name*. Of several workers that do so at the
-- same time, the one that makes it 0 has taken it.
local function take_back(key, name)
  local number = counts:get(key) or 0
  local left = number > 0 and counts:incr(key, -number)
  if left == 0 then
    give_back(name, number)
  elseif left then
    counts:incr(key, number)
    return
  end
  if number >= 0 then
    counts:delete(key)
  end
end

-- Begin as a new worker, perhaps in place of one that died: its requests have ended.
function M.start()
  local me = ngx.worker.pid()
  own = "w:" .. me .. "|"
  for _, key in ipairs(counts:get_keys(0)) do
    local text, name = match(key, "^w:(%d+)|(.*)$")
    local pid = tonumber(text)
    if pid and (pid == me or not workers.is_alive(pid)) then
      take_back(key, name)
    end
  end
end

local function forget(name)
  local key = total_of(name)
  if (counts:get(key) or 0) > 0 then
    counts:expire(key, FORGET_AFTER_S)
  else
    counts:delete(key)
  end
end

-- Take note that the servers of *upstream* that have a limit were *before* and are *after* (sets of names).
function M.changed(upstream, before, after)
  for server in pairs(before) do
    if not after[server] then
      forget(upstream .. "|" .. server)
    end
  end
  for server in pairs(after) do
    if not before[server] then
      counts:expire(total_of(upstream .. "|" .. server), 0) -- never
    end
  end
end

return M
