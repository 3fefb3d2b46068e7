-- The workers of nginx: which of them are there, and locks, by which one at a time does something.
local ffi = require "ffi"

local locks = ngx.shared.headgate_changes -- `add` may evict what was not used for long

ffi.cdef "int kill(int pid, int signal);"

local M = {}
M.BUSY_S = 0.02 -- until another try, while another worker has a lock

-- Return whether there is a worker *pid*.
function M.is_alive(pid)
  return ffi.C.kill(pid, 0) == 0
end

-- Keep others out of *name* until `unlock`, for *seconds* at most; return whether there was none.
function M.lock(name, seconds)
  return locks:add("lock:" .. name, true, seconds)
end

function M.unlock(name)
  locks:delete("lock:" .. name)
end

return M
