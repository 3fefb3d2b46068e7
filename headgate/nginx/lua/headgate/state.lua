-- The live state: what the controller pushes to nginx's workers at run time. Each object lies as JSON under its key
-- ("u:NAME" for an upstream) in a dict that all workers share; a worker decodes it when a request first needs it.
--
-- "version" counts changes, and entry "change:(N % CHANGES)" of the second dict lists the keys of change N. The second
-- dict may evict entries, and a worker that misses one forgets everything; the first dict evicts nothing. A worker
-- that sees another version than its own forgets what it decoded of those keys. A request that begins after a change
-- was announced therefore sees it.
local cjson = require "cjson.safe"

local objects, changes = ngx.shared.headgate, ngx.shared.headgate_changes
local find, sub, tonumber, concat, max = string.find, string.sub, tonumber, table.concat, math.max

local CHANGES = 1024 -- entries that are kept
local FURTHEST = CHANGES - 64 -- a worker that is further behind forgets everything
local EVERYTHING = "*" -- in place of the keys that changed
local ROOM_KB = 16 * 1024 -- of garbage that a worker may have
local OWN_KB, OBJECT_KB = 2048, 3 -- what a worker has without any object, and with each
local PATIENCE_S = 0.1 -- how long the text of an announced change may be missing before its writer counts as dead

local M = { objects = objects }
local version = 0
local decoded = {} -- first letter of a key -> name -> object
local decoders = {} -- first letter of a key -> function(name, value)
local checks = {} -- first letter of a key -> function(value) -> whether `decode` may have it
local listeners = {} -- first letter of an event -> function(text)
local missing, missing_since
local kept = 0 -- objects in `decoded`

-- Have *decode* make the objects whose keys begin with *letter*, of values that *check* accepts.
function M.decode(letter, decode, check)
  decoders[letter], checks[letter], decoded[letter] = decode, check, {}
end

-- Return whether *value* may be pushed as the object of *key*.
function M.valid(key, value)
  local check = checks[sub(key, 1, 1)]
  return check ~= nil and type(value) == "table" and check(value)
end

-- Have *listen* called with each event that begins with *letter*; an event changes no object.
function M.listen(letter, listen)
  listeners[letter] = listen
end

-- Have garbage collected when there is as much of it as of objects, or ROOM_KB. With few objects LuaJIT would do it all
-- the time: each request makes some, and each time all objects are looked at.
local function set_pace()
  collectgarbage("setpause", max(200, 100 + 100 * ROOM_KB / (OWN_KB + OBJECT_KB * kept)))
end

-- Return the object of the key LETTER:NAME, nil if there is none. No key is made for an object that is known: joining
-- texts costs more than a lookup.
function M.get(letter, name)
  local object = decoded[letter][name]
  if object then
    return object
  end
  local text = objects:get(letter .. ":" .. name)
  if not text then
    return nil
  end
  object = decoders[letter](name, cjson.decode(text))
  decoded[letter][name] = object
  kept = kept + 1
  set_pace()
  return object
end

-- Return the object of the key LETTER:NAME if this worker has decoded it.
function M.known(letter, name)
  return decoded[letter][name]
end

local function forget_all(newest)
  for letter in pairs(decoded) do
    decoded[letter] = {}
  end
  version, kept = newest, 0
end

local function take(key)
  local letter = sub(key, 1, 1)
  local listen, known = listeners[letter], decoded[letter]
  if listen then
    listen(sub(key, 3))
  elseif known and known[sub(key, 3)] then
    known[sub(key, 3)] = nil
    kept = kept - 1
  end
end

-- The writer of change *number*, the newest, is between count and text, or died there. Return whether to wait for it.
local function wait_for(number)
  if missing ~= number then
    missing, missing_since = number, ngx.now()
  end
  return ngx.now() - missing_since <= PATIENCE_S
end

local function catch_up(newest)
  if newest < version or newest - version > FURTHEST then
    return forget_all(newest)
  end
  for number = version + 1, newest do
    local text = changes:get("change:" .. number % CHANGES)
    local head = text and find(text, "\n", 1, true)
    local written = head and tonumber(sub(text, 1, head - 1)) or -1
    if written < number and number == newest and wait_for(number) then
      version = number - 1
      return
    elseif written ~= number or sub(text, head + 1, head + 1) == EVERYTHING then
      return forget_all(newest)
    end
    repeat
      local tail = find(text, "\n", head + 1, true)
      take(sub(text, head + 1, tail and tail - 1))
      head = tail
    until not tail
    version = number
  end
end

-- Take all changes that were announced before this call.
function M.sync()
  local newest = objects:get("version")
  if newest and newest ~= version then
    catch_up(newest)
  end
end

-- Announce that *keys* changed; the objects are already written.
function M.announce(keys)
  local number = objects:incr("version", 1)
  local key = "change:" .. number % CHANGES
  if not changes:set(key, number .. "\n" .. concat(keys, "\n")) then
    changes:set(key, number .. "\n" .. EVERYTHING) -- there is no place for so long a text
  end
  return number
end

-- Return until when the peer *name* of *upstream* is left out, 0 if it is not (seconds since 1970).
function M.down_until(upstream, name)
  return changes:get("down:" .. upstream .. "|" .. name) or 0
end

-- Remember that for workers that start, or decode the upstream, later.
function M.set_down(upstream, name, time)
  local key = "down:" .. upstream .. "|" .. name
  if time > ngx.now() then
    changes:set(key, time, time - ngx.now())
  else
    changes:delete(key)
  end
end

-- Return when the peer *name* of *upstream* began its slow start, 0 if none is under way (seconds since 1970).
function M.since(upstream, name)
  return changes:get("since:" .. upstream .. "|" .. name) or 0
end

-- Remember that for *seconds*.
function M.set_since(upstream, name, time, seconds)
  changes:set("since:" .. upstream .. "|" .. name, time, seconds)
end

-- Return the name of a peer by which it is announced: its address, with its port if it has one.
function M.peer_name(value)
  return value.p and value.a .. ":" .. value.p or value.a
end

-- Begin as a new worker: it has decoded nothing, so nothing that it has is old.
function M.start()
  math.randomseed(ngx.worker.pid() + ngx.now() * 1000)
  version = objects:get("version")
  set_pace()
end

-- Fill an empty dict from the snapshot at *path*; in the master, before there are workers. A dict that survived a
-- reload is left as it is.
function M.load(path)
  if objects:get("epoch") then
    return
  end
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  local snapshot = assert(cjson.decode(text))
  for key, object in pairs(snapshot.objects) do
    local ok, fault = objects:safe_set(key, cjson.encode(object))
    if not ok then
      error("the live state does not fit into " .. objects:capacity() .. " bytes, set -live-memory to more: " .. fault)
    end
  end
  assert(objects:safe_set("version", 0))
  assert(objects:safe_set("revision", snapshot.revision))
  assert(objects:safe_set("epoch", snapshot.epoch))
end

return M
