-- Routes requests for hosts without a server block: the controller pushes hosts, and the configuration has the named
-- locations ("profiles") that several of them share.
--
-- An object "r:HOST" has the present version of the host ("now") and, if that needs profiles that an older
-- configuration lacks, those before it. A worker that is about to end may have such a configuration: it uses the
-- first version whose profiles it has. Where there is no present one, the host has a server block, of which only
-- workers that end do not know.
local null = require("cjson.safe").null
local choices = require "headgate.choices"
local locations = require "headgate.locations"
local find_object = require "headgate.names"
local paths = require "headgate.paths"
local requests = require "headgate.requests"
local state = require "headgate.state"
local upstreams = require "headgate.upstreams"

local sub, gmatch = string.sub, string.gmatch
local ipairs, tonumber = ipairs, tonumber
local variables, exec, exit, is_internal = ngx.var, ngx.exec, ngx.exit, ngx.req.is_internal

local ABSENT = 503
local LARGE = 413
local FAILED = 500 -- an expression cannot be evaluated
local JUMPS = 10 -- what nginx lets a request do
local MODIFIERS = { [""] = true, ["="] = true, ["^~"] = true, ["~"] = true, ["~*"] = true }

local M = {}
local known = {} -- the profiles of this worker's configuration
local known_text

local function is_known(name)
  return not name or name == "" or known[name]
end

local function usable(version)
  for _, path in ipairs(version.paths) do
    if not (is_known(path[3]) and is_known(path[6]) and is_known(path[7] ~= null and path[7].hidden)) then
      return false
    end
  end
  for _, case in ipairs(version.first or {}) do
    if not known[case[3]] then
      return false
    end
  end
  return true
end

local function layout(name, version)
  return {
    name = name, tls = version.tls, plain = version.plain ~= false, first = version.first, hsts = version.hsts,
    locations = locations.layout(version.paths, choices(version.maps or {}, version.splits or {})),
  }
end

local function is_profile(name)
  return type(name) == "string" and sub(name, 1, 3) == "@p_"
end

local function is_path(path)
  if type(path) ~= "table" or path[7] ~= null and type(path[7]) ~= "table" then
    return false
  end
  local more = path[7] ~= null and path[7] or {}
  return MODIFIERS[path[1]] and type(path[2]) == "string" and type(path[4]) == "string" and type(path[5]) == "number"
    and (is_profile(path[3]) or path[3] == "" and type(more.jump) == "string") and type(path[6]) == "string"
    and (more.hidden == nil or is_profile(more.hidden))
end

local function are_texts(values)
  return type(values) == "table" and #values == 3 and type(values[1]) == "string" and type(values[2]) == "string"
    and type(values[3]) == "string"
end

local function is_version(version)
  if type(version) ~= "table" or type(version.paths) ~= "table" or type(version.first or {}) ~= "table"
    or type(version.maps or {}) ~= "table" or type(version.splits or {}) ~= "table" then
    return false
  end
  for _, path in ipairs(version.paths) do
    if not is_path(path) then
      return false
    end
  end
  for _, case in ipairs(version.first or {}) do
    if not are_texts(case) then
      return false
    end
  end
  return version.hsts == nil or are_texts(version.hsts)
end

state.decode("r", function(name, value)
  if not value.now and not ngx.worker.exiting() then
    return nil
  end
  if value.now and usable(value.now) then
    return layout(name, value.now)
  end
  for _, version in ipairs(value.before or {}) do
    if usable(version) then
      return layout(name, version)
    end
  end
  return { name = name, absent = true }
end, function(value)
  if value.now and not is_version(value.now) or value.before and type(value.before) ~= "table" then
    return false
  end
  for _, version in ipairs(value.before or {}) do
    if not is_version(version) then
      return false
    end
  end
  return true
end)

local function take(profiles)
  known, known_text = {}, profiles
  for name in gmatch(profiles, "[^/]+") do
    known["@" .. name] = true
  end
end

-- Let *profile* answer, which sends requests to *upstream* and says *text*; with the header that the host has where a
-- client asks over TLS.
local function go(host, profile, upstream, text)
  requests.assign(host.name, upstream)
  if text then
    variables.headgate_text = text()
  end
  local hsts = host.hsts
  if hsts and variables[hsts[1]] == hsts[2] then
    variables.hsts_header_val = hsts[3]
  end
  return exec(profile)
end

local function refuse(host, status)
  requests.assign(host.name, nil) -- it is counted for its host, as in a server block
  return exit(status)
end

local again

-- Let the location of the request answer; it may be that of another path, at most *jumps* times.
local function answer(host, jumps)
  local action, fault = locations.find(host.locations, variables.uri)
  if not action then
    return refuse(host, fault and FAILED or 404)
  end
  if action.hidden and not is_internal() then
    return go(host, action.hidden)
  end
  local length = action.most and variables.content_length
  if length and (tonumber(length) or 0) > action.most then
    return action.large and go(host, action.large) or refuse(host, LARGE)
  end
  if action.jump then
    paths.set(action.jump())
    return again(host, jumps)
  end
  local upstream = action.upstream and upstreams.get(action.upstream)
  if action.upstream and not upstream then
    return refuse(host, ABSENT)
  end
  local changed = not action.change or action.change()
  if not changed then
    return refuse(host, FAILED)
  elseif changed == "again" then
    return again(host, jumps)
  end
  return go(host, action.profile, upstream, action.text)
end

function again(host, jumps)
  return jumps > 0 and answer(host, jumps - 1) or refuse(host, FAILED)
end

-- Return the profile of the first of *cases* that the request is one of.
local function profile_of(cases)
  for i = 1, #cases do
    local case = cases[i]
    if variables[case[1]] == case[2] then
      return case[3]
    end
  end
end

-- Send the request to the profile of its location, or return if its host is not pushed: the default server answers.
-- *profiles* are those of the configuration. Called by nginx before it looks for a location.
function M.route(profiles)
  if profiles ~= known_text then
    take(profiles)
  end
  if ngx.is_subrequest then
    return
  end
  state.sync()
  local host = find_object("r", variables.host)
  if not host or not host[variables.https == "on" and "tls" or "plain"] and not host.absent then
    return
  end
  if host.absent then
    return refuse(host, ABSENT)
  end
  local first = host.first and profile_of(host.first) -- without a loop, nearly all of this is one trace of LuaJIT
  if first then
    requests.assign(host.name, nil)
    return exec(first)
  end
  return answer(host, JUMPS)
end

return M
