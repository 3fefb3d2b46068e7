-- Runs the health checks, in one worker: the one that holds a lock with a time limit, so that another one takes over
-- when it dies. A worker that shuts down releases it at once.
--
-- Checks are light threads of a timer. A timer ends after some rounds and starts the next one: nginx frees the memory
-- of what it did only when it has ended.
local cjson = require "cjson.safe"
local check_of = require("headgate.check").decode
local health = require "headgate.health"
local probe = require "headgate.probe"
local slow_start = require "headgate.slow_start"
local state = require "headgate.state"
local streams = require "headgate.streams"

local dict = health.dict
local now, sleep, spawn, exiting = ngx.now, ngx.sleep, ngx.thread.spawn, ngx.worker.exiting
local match, sub, random = string.match, string.sub, math.random

local TICK_S, IDLE_S = 0.1, 0.5 -- between two rounds: of the worker that checks, and of others
local TURN_S = 5 -- after which a timer starts the next one
local HELD_S = 2 -- the lock of a worker that died
local MOST = 256 -- checks at the same time
local MOST_TOLD = 200 -- upstreams in one message to njs
local SPREAD_S = 5 -- in which the first checks of many servers begin

local M = {}
local me
local upstreams = {} -- name -> {name, check, slow_start, servers}
local current = {} -- "UPSTREAM|SERVER" -> server
local round_seen
local running = 0
local told = {} -- name of an upstream of TCP -> the servers that njs was told to leave out

local function first_check(check)
  return check.mandatory and now() or now() + random() * math.min(check.interval, SPREAD_S)
end

-- Return the server of *value* as it is known: from earlier rounds, from an earlier worker, or as a new one.
local function server_of(upstream, value)
  local name = state.peer_name(value)
  local key = upstream.name .. "|" .. name
  local word, checks, fails, unhealthy = health.read(upstream.name, name)
  local server = word and current[key]
  if not server then
    server = { name = name, key = key, value = value, run = 0, busy = false, due = first_check(upstream.check) }
    server.state = word or upstream.check.mandatory and "checking" or "up"
    server.checks, server.fails, server.unhealthy = checks or 0, fails or 0, unhealthy or 0
    health.write(upstream.name, name, server.state, server.checks, server.fails, server.unhealthy)
  end
  server.due = math.min(server.due, now() + upstream.check.interval + upstream.check.jitter)
  return server
end

local function upstream_of(name)
  local kind = dict:get("c:" .. name)
  local text = kind and state.objects:get(kind .. name)
  local value = text and cjson.decode(text)
  if not (value and value.check) then
    return nil
  end
  local check, fault = check_of(value.check)
  if not check then
    ngx.log(ngx.ERR, "upstream ", name, " is not checked: its ", fault, " is invalid")
    return nil
  end
  local upstream = { name = name, check = check, slow_start = value.slow_start, servers = {}, tcp = kind == "s:" }
  for i, peer in ipairs(value.peers) do
    upstream.servers[i] = server_of(upstream, peer)
  end
  return upstream
end

-- Learn which upstreams have checks, if one of them changed; forget servers that are gone.
local function refresh()
  local round = dict:get("round")
  if round == round_seen then
    return
  end
  round_seen = round
  local fresh, servers, keys = {}, {}, dict:get_keys(0)
  for _, key in ipairs(keys) do
    local upstream = sub(key, 1, 2) == "c:" and upstream_of(sub(key, 3))
    if upstream then
      fresh[upstream.name] = upstream
      for _, server in ipairs(upstream.servers) do
        servers[server.key] = server
      end
    end
  end
  upstreams, current = fresh, servers
  for _, key in ipairs(keys) do
    local upstream, server = match(key, "^s:(.*)|(.*)$")
    if upstream and not current[sub(key, 3)] then
      health.forget(upstream, server)
    end
  end
end

local function become(upstream, server, word, answer)
  local was_out = server.state ~= "up"
  server.state, server.run = word, 0
  local is_out = word ~= "up"
  if is_out then
    server.unhealthy = server.unhealthy + 1
    ngx.log(ngx.WARN, "upstream ", upstream.name, ": server ", server.name, " is unhealthy: ", answer)
  else
    ngx.log(ngx.NOTICE, "upstream ", upstream.name, ": server ", server.name, " is healthy: ", answer)
  end
  return is_out ~= was_out
end

-- Count a check; return whether the server gets requests now and did not before, or the reverse.
local function count(upstream, server, passed, answer)
  server.checks = server.checks + 1
  server.fails = server.fails + (passed and 0 or 1)
  if server.state == "checking" then
    return become(upstream, server, passed and "up" or "unhealthy", answer)
  end
  if passed == (server.state == "up") then
    server.run = 0
    return false
  end
  server.run = server.run + 1
  local check = upstream.check
  return server.run >= (passed and check.passes or check.fails)
    and become(upstream, server, passed and "up" or "unhealthy", answer)
end

local function take(upstream, server, passed, answer)
  if exiting() or current[server.key] ~= server or dict:get("checker") ~= me then
    return -- another worker checks now, or the server is gone
  end
  local turned = count(upstream, server, passed, answer)
  health.write(upstream.name, server.name, server.state, server.checks, server.fails, server.unhealthy)
  if turned then
    if server.state == "up" then
      slow_start.remember(upstream, server, now())
    end
    health.announce(upstream.name, server.name, server.state ~= "up")
  end
end

local function run(upstream, server)
  local ok, passed, answer = pcall(probe, upstream.check, server.value)
  running, server.busy = running - 1, false
  if not ok then
    ngx.log(ngx.ERR, "health check: ", passed)
    return
  end
  take(upstream, server, passed, answer)
end

-- Tell njs which servers get no sessions, where it has not been told yet.
local function tell()
  local news, number = {}, 0
  for name, upstream in pairs(upstreams) do
    if upstream.tcp and number < MOST_TOLD then
      local out = {}
      for _, server in ipairs(upstream.servers) do
        out[#out + 1] = server.state ~= "up" and server.name or nil
      end
      local text = table.concat(out, " ")
      if told[name] ~= text then
        news[name], number, told[name] = text, number + 1, text
      end
    end
  end
  if number > 0 and not streams.tell(news) then
    told = {} -- it is told again at the next round
  end
end

local function round()
  refresh()
  tell()
  local time = now()
  for _, upstream in pairs(upstreams) do
    for _, server in ipairs(upstream.servers) do
      if server.due <= time and not server.busy and running < MOST then
        running, server.busy = running + 1, true
        server.due = time + upstream.check.interval + random() * upstream.check.jitter
        spawn(run, upstream, server)
      end
    end
  end
end

-- Whether this worker has the lock; it keeps it, or takes it if no other has it.
local function holds()
  if dict:get("checker") == me then
    return dict:set("checker", me, HELD_S)
  end
  round_seen, upstreams, current, told = nil, {}, {}, {}
  return dict:add("checker", me, HELD_S)
end

local function release()
  if dict:get("checker") == me then
    dict:delete("checker")
  end
end

local function turn(premature)
  local ends = now() + TURN_S
  told = {} -- all of it again: njs may have been told something else since
  while not premature and not exiting() and now() < ends do
    local checks = holds()
    if checks then
      round()
    end
    sleep(checks and next(upstreams) and TICK_S or IDLE_S)
  end
  if premature or exiting() or not ngx.timer.at(0, turn) then
    release()
  end
end

-- Begin in a new worker.
function M.start()
  me = ngx.worker.pid() .. "/" .. now()
  ngx.timer.at(0, turn)
end

return M
