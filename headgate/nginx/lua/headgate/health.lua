-- What health checks found, in a dict that all workers share and that reloads keep:
--
--   c:UPSTREAM           what its key begins with, if the upstream has checks
--   s:UPSTREAM|SERVER    STATE|CHECKS|FAILS|UNHEALTHY: the state, and how often the server was checked, did not pass,
--                        and became unhealthy
--   round                grows when an upstream with checks changed
--
-- Event "h:UPSTREAM|SERVER|1" announces that a server gets no requests, "…|0" that it gets some again.
local cjson = require "cjson.safe"
local failures = require "headgate.failures"
local slow_start = require "headgate.slow_start"
local state = require "headgate.state"

local dict = ngx.shared.headgate_health
local find, match, sub, tonumber, concat = string.find, string.match, string.sub, tonumber, table.concat

local M = { dict = dict }

local function key_of(upstream, server)
  return "s:" .. upstream .. "|" .. server
end

-- Return what is known of a server: state, checks, fails, unhealthy; nil if nothing is.
function M.read(upstream, server)
  local text = dict:get(key_of(upstream, server))
  if not text then
    return nil
  end
  local word, checks, fails, unhealthy = match(text, "^(%a+)|(%d+)|(%d+)|(%d+)$")
  return word, tonumber(checks), tonumber(fails), tonumber(unhealthy)
end

function M.write(upstream, server, ...)
  local ok, fault = dict:safe_set(key_of(upstream, server), concat({ ... }, "|"))
  if not ok then
    ngx.log(ngx.ERR, "the state of health checks cannot be kept: ", fault)
  end
end

-- Forget a server: at the next time it is a new one.
function M.forget(upstream, server)
  dict:delete(key_of(upstream, server))
end

-- Whether requests must not go to a server of an upstream with the check *value*, which is nil if it has none.
function M.is_out(upstream, server, value)
  if not value then
    return false
  end
  local word = M.read(upstream, server)
  if not word then
    return value.mandatory == true
  end
  return word ~= "up"
end

function M.announce(upstream, server, is_out)
  state.announce { "h:" .. upstream .. "|" .. server .. "|" .. (is_out and 1 or 0) }
end

state.listen("h", function(text)
  local name, server, is_out = match(text, "^(.*)|(.*)|(.*)$")
  local upstream = state.known("u", name)
  for _, peer in ipairs(upstream and upstream.peers or {}) do
    if peer.name == server then
      peer.out = is_out == "1"
      failures.watch(upstream)
      if not peer.out then
        slow_start.begin(upstream, peer, state.since(name, server))
      end
    end
  end
end)

-- An upstream of TCP is only known by its checks; it is njs that has its servers ("streams.js").
state.decode("s", function(_, value) return value end, function(value) return type(value.peers) == "table" end)

-- Take note of the objects with *keys*, which were written or deleted; *set* are those that were written.
function M.changed(keys, set)
  local touched = false
  for _, key in ipairs(keys) do
    local marker, kind = "c:" .. sub(key, 3), sub(key, 1, 2)
    if set[key] and set[key].check then
      dict:safe_set(marker, kind)
      touched = true
    elseif dict:get(marker) == kind then
      dict:delete(marker)
      touched = true
    end
  end
  if touched then
    dict:incr("round", 1, 0)
  end
end

-- Take note of the objects of the snapshot, in the master; a dict that survived a reload is left as it is.
function M.load()
  if dict:get("round") then
    return
  end
  dict:set("round", 0)
  for _, key in ipairs(state.objects:get_keys(0)) do
    local kind = sub(key, 1, 2)
    local text = (kind == "u:" or kind == "s:") and state.objects:get(key)
    if text and find(text, '"check"', 1, true) and cjson.decode(text).check then
      dict:safe_set("c:" .. sub(key, 3), kind)
    end
  end
end

-- Return a list of {upstream, server, state, checks, fails, unhealthy}.
function M.report()
  local servers = {}
  for _, key in ipairs(dict:get_keys(0)) do
    local upstream, server = match(key, "^s:(.*)|(.*)$")
    if upstream then
      servers[#servers + 1] = { upstream, server, M.read(upstream, server) }
    end
  end
  return servers
end

return M
