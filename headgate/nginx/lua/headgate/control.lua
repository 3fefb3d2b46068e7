-- The requests of the controller over its Unix socket:
--
--   GET  /v1/state                                    epoch, revision, free memory
--   POST /v1/state {epoch, from, to, set, delete}     changes objects: all or nothing
--   GET  /v1/health                                   what health checks found
--
-- The epoch names the memory: one that was filled from another snapshot has another epoch, and its controller must
-- push everything again. Keys of objects are never given out.
local cjson = require "cjson.safe"
local connections = require "headgate.connections"
local health = require "headgate.health"
local queues = require "headgate.queues"
local state = require "headgate.state"
local workers = require "headgate.workers"

local objects = state.objects
local find, sub = string.find, string.sub
local NONE = {}
local HOST = "r:" -- what keys of hosts begin with
local KEYS_PER_CHANGE = 500 -- in one announcement
local LOCKED_S = 5

local M = {}

-- Answer, and end the request: what follows in nginx (access, limits) is not asked.
local function answer(status, value)
  ngx.status = status
  ngx.header.content_type = "application/json"
  ngx.say(cjson.encode(value))
  ngx.exit(ngx.HTTP_OK)
end

local function body()
  ngx.req.read_body()
  local text = ngx.req.get_body_data()
  local path = not text and ngx.req.get_body_file()
  if path then
    local file = assert(io.open(path, "rb"))
    text = file:read("*a")
    file:close()
  end
  return cjson.decode(text or "")
end

local function current()
  return {
    epoch = objects:get("epoch"), revision = objects:get("revision"),
    capacity = objects:capacity(), free = objects:free_space(),
  }
end

-- What is new goes first: it may have the memory of what was there.
local function undo(before)
  for key, text in pairs(before) do
    if not text then
      objects:delete(key)
    end
  end
  for key, text in pairs(before) do
    if text then
      objects:safe_set(key, text)
    end
  end
end

-- Return a set of the names of the servers in groups.
local function names_of(...)
  local found = {}
  for i = 1, select("#", ...) do
    for _, peer in ipairs(select(i, ...) or NONE) do
      found[state.peer_name(peer)] = true
    end
  end
  return found
end

-- A server that an upstream did not have before is a new one, even at an address that failed earlier.
local function note_new_servers(name, old, value)
  local known = names_of(old.peers, old.backup)
  for server in pairs(names_of(value.peers, value.backup)) do
    if not known[server] then
      state.set_down(name, server, 0)
      if value.slow_start then
        state.set_since(name, server, ngx.now(), value.slow_start)
      end
      health.forget(name, server)
    end
  end
end

-- Return a set of the names under which requests of an upstream are counted over all workers.
local function limited(value)
  local found = value.max_conns and names_of(value.peers, value.backup, value.draining) or {}
  found[queues.NAME] = value.queue and true
  return found
end

local function note_change(key, text, value)
  local name, old = sub(key, 3), text and cjson.decode(text) or NONE
  note_new_servers(name, old, value)
  connections.changed(name, limited(old), limited(value))
  if old.queue and not value.queue then
    queues.forget(name)
  end
end

-- Return the keys of *set*, those of hosts last: a worker may read a host before the change is announced, and what the
-- host refers to must be there then.
local function in_order(set)
  local keys, hosts = {}, {}
  for key in pairs(set) do
    local list = sub(key, 1, 2) == HOST and hosts or keys
    list[#list + 1] = key
  end
  for _, key in ipairs(hosts) do
    keys[#keys + 1] = key
  end
  return keys
end

-- Write the objects of *set* and delete those of *gone*; return the keys that changed, or nil and why not.
local function write(set, gone)
  local before, changed = {}, {}
  for _, key in ipairs(in_order(set)) do
    local old, text = objects:get(key), cjson.encode(set[key])
    if old ~= text then
      before[key], changed[#changed + 1] = old or false, key
      local ok, fault = objects:safe_set(key, text) -- where it fails, the old text is deleted
      if not ok then
        if old then
          objects:safe_set(key, old) -- at once: its memory is free again, and a worker may look for it
        end
        undo(before)
        return nil, fault
      end
    end
  end
  for key, old in pairs(before) do
    if set[key].peers then
      note_change(key, old, set[key])
    end
  end
  for _, key in ipairs(gone) do
    local text = objects:get(key)
    if text then
      objects:delete(key)
      changed[#changed + 1] = key
      if find(text, '"max_conns"', 1, true) or find(text, '"queue"', 1, true) then
        note_change(key, text, NONE)
      end
    end
  end
  return changed
end

local function announce(changed)
  for first = 1, #changed, KEYS_PER_CHANGE do
    state.announce { unpack(changed, first, math.min(first + KEYS_PER_CHANGE - 1, #changed)) }
  end
end

-- Carry out a change; return a status and what is answered.
local function change(wanted)
  local here = current()
  if wanted.epoch ~= here.epoch or wanted.from ~= here.revision then
    return 409, here
  end
  local changed, fault = write(wanted.set, wanted.delete)
  if not changed then
    here.reason = fault
    return 507, here
  end
  objects:safe_set("revision", wanted.to) -- in place of a number: needs no memory
  announce(changed)
  health.changed(changed, wanted.set)
  here = current()
  here.changed = #changed
  return 200, here
end

local function valid(wanted)
  if
    type(wanted) ~= "table" or type(wanted.set) ~= "table" or type(wanted.delete) ~= "table"
    or type(wanted.to) ~= "number"
  then
    return false
  end
  for key, value in pairs(wanted.set) do
    if not state.valid(key, value) then
      return false
    end
  end
  return true
end

function M.health()
  answer(200, { servers = setmetatable(health.report(), cjson.array_mt) })
end

function M.state()
  if ngx.req.get_method() == "GET" then
    return answer(200, current())
  end
  local wanted = body()
  if not valid(wanted) then
    return answer(400, { reason = "not a change: epoch, from, to, set and delete are required" })
  end
  if not workers.lock("state", LOCKED_S) then
    return answer(423, { reason = "another change is being written" })
  end
  local ok, status, value = pcall(change, wanted)
  workers.unlock("state")
  if ok then
    return answer(status, value)
  end
  answer(500, { reason = tostring(status) })
end

return M
