-- Loads everything before nginx forks its workers: a module that is broken or missing refuses the configuration,
-- instead of failing requests. What configuration files call is in the one global table "headgate".
require "resty.core"
local state = require "headgate.state"
local balancer = require "headgate.balancer"
local certificates = require "headgate.certificates"
local checker = require "headgate.checker"
local connections = require "headgate.connections"
local control = require "headgate.control"
local health = require "headgate.health"
local jwt = require "headgate.jwt"
local metrics = require "headgate.metrics"
local routes = require "headgate.routes"
local sessions = require "headgate.sessions"
local streams = require "headgate.streams"
local upstreams = require "headgate.upstreams"
local waiting = require "headgate.waiting"

local function start()
  state.start()
  connections.start()
  checker.start()
end

-- Where bodies are read before, that is done in place of what hides sessions.
local function wait(upstream)
  sessions.hide()
  return waiting.wait(upstream)
end

headgate = {
  start = start, balance = balancer.balance, log = balancer.log, state = control.state, health = control.health,
  -- Before requests are sent to an upstream with a queue.
  read_body = waiting.read_body, wait = wait,
  -- Before requests are answered that need a token.
  admit = jwt.admit, check = jwt.check, refuse = jwt.refuse, claim = jwt.claim,
  -- Where clients log in (OpenID Connect).
  session = sessions.guard,
  hide_sessions = sessions.hide,
  other_cookies = sessions.others,
  -- For hosts without a server block.
  route = routes.route, balance_routed = balancer.balance_routed, certify = certificates.certify,
  -- Where requests are counted: after `start`; in place of `log`; at the end of a worker.
  measure = function(limit, bounds) metrics.start(limit, bounds, upstreams.peers) end,
  count = function() return metrics.count(balancer.log()) end,
  metrics = metrics.answer, stop = metrics.stop,
}

-- Load the snapshot at *path*; certificates are in the directory *secrets*, and njs has the socket *socket*.
return function(path, secrets, socket)
  streams.open(socket)
  if secrets then
    certificates.open(secrets)
  end
  state.load(path)
  health.load()
end
