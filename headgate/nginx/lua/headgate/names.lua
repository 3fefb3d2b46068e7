-- Finds the object of a host or a server name: its own, or that of the wildcard that covers it (one label).
local state = require "headgate.state"

local find, sub = string.find, string.sub
local get = state.get

-- Return the object of *kind* ("r") for *name*, in lower case; nil if there is none.
return function(kind, name)
  local object = get(kind, name)
  if object then
    return object
  end
  local dot = find(name, ".", 1, true)
  return dot and dot > 1 and get(kind, "*" .. sub(name, dot)) or nil
end
