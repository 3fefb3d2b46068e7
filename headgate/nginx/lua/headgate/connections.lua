-- Requests at each server of an upstream with max_conns, counted over all workers. Beside the number of each server
-- ("n:UPSTREAM|PEER") each worker keeps its own part of it ("w:PID|UPSTREAM|PEER"), which is taken back if it dies.
local ffi = require "ffi"

local counts = ngx.shared.headgate_counts
local ipairs, match = ipairs, string.match

ffi.cdef "int kill(int32_t pid, int signal);"

local M = {}
local own -- what the keys of this worker begin with

local function total_of(name) return "n:" .. name end

-- Return whether there are *most* requests at the server *name* ("UPSTREAM|PEER").
function M.is_full(name, most)
  return (counts:get(total_of(name)) or 0) >= most
end

-- Count a request at the server *name*; return false if there are *most* already.
function M.take(name, most)
  local number = counts:incr(total_of(name), 1, 0)
  if number and number > most then
    counts:incr(total_of(name), -1)
    return false
  end
  counts:incr(own .. name, 1, 0)
  return true
end

-- Take back what `take` counted.
function M.release(name)
  local number = counts:incr(total_of(name), -1)
  if number and number < 0 then -- the number had been evicted meanwhile
    counts:incr(total_of(name), 1)
  end
  if counts:incr(own .. name, -1) == 0 then
    counts:delete(own .. name)
  end
end

local function is_alive(pid)
  return ffi.C.kill(pid, 0) == 0
end

-- Begin as a new worker, perhaps in place of one that died: its requests have ended.
function M.start()
  own = "w:" .. ngx.worker.pid() .. "|"
  for _, key in ipairs(counts:get_keys(0)) do
    local pid, name = match(key, "^w:(%d+)|(.*)$")
    if pid and (not is_alive(tonumber(pid)) or tonumber(pid) == ngx.worker.pid()) then
      local number = counts:get(key)
      counts:delete(key)
      if number then
        counts:incr(total_of(name), -number)
      end
    end
  end
end

return M
