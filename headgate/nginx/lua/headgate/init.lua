-- Loads everything before nginx forks its workers: a module that is broken or missing refuses the configuration,
-- instead of failing requests. What configuration files call is in the one global table "headgate".
require "resty.core"
local state = require "headgate.state"
local balancer = require "headgate.balancer"
local connections = require "headgate.connections"
local control = require "headgate.control"

local function start()
  state.start()
  connections.start()
end

headgate = { balance = balancer.balance, log = balancer.log, start = start, state = control.state }

return state.load
