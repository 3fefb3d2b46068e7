-- What all workers counted, in a dict that they share, and that outlives reloads and workers; the controller reads it:
--
--   GET  /v1/metrics                   a line for each entry: its key and its counters; then "end"
--   POST /v1/metrics {delete, move}    deletes entries by their keys, and adds some to others ({{from, to}, ...})
--
-- An entry of the dict has several counters (packed doubles); the parts of its key are separated by tabs:
--
--   z HOST UPSTREAM              of requests of a server block, by the upstream that answered, "" for nginx itself, "*"
--                                for those that are gone: 1xx ... 5xx, without an answer, bytes received, bytes sent,
--                                retries
--   s UPSTREAM SERVER STATUS     of tries of a server, "-" for those without a status: milliseconds of all of them,
--                                milliseconds until their header, tries without a response header, tries without a
--                                time, and the others by response time (buckets, then all that took longer)
--   a PID                        in place of numbers, lines with the requests that the servers have of this worker now
--
-- What there is no place for is in the entries whose names are all "*".
local ffi = require "ffi"
local cjson = require "cjson.safe"
local workers = require "headgate.workers"

local counts = ngx.shared.headgate_metrics
local find, gsub, match, sub, rep = string.find, string.gsub, string.match, string.sub, string.rep
local concat, max, min = table.concat, math.max, math.min

local LOCKED_S = 2 -- after that, a lock is of a worker that died
local SLICE = 200 -- entries in one piece of an answer

local M = { there = counts ~= nil }
M.DIRTY = 0 -- in a group of a worker, before its numbers: 1 if it has some to add
M.OTHERS = "z\t*\t*" -- requests for which there is no place
local limit, scratch, told = 0, nil, ""

-- Keep at most *most* groups; *others*, by the first letter of a key, are those for all for which there is no place.
function M.start(most, others)
  limit = most
  local size = 0
  for _, group in pairs(others) do
    size = max(size, group.size)
    counts:safe_add(group.key, rep("\0", group.size * 8))
  end
  scratch = ffi.new("double[?]", size)
  counts:safe_add("groups", 0)
end

-- Return whether this worker alone may write now, until `unlock`.
function M.lock() return workers.lock("metrics", LOCKED_S) end

function M.unlock() workers.unlock("metrics") end

-- Add *group* under *key*; return whether there was a place for it.
local function write(group, key)
  local text, bytes = counts:get(key), group.size * 8
  if text then
    ffi.copy(scratch, text, bytes)
  elseif counts:get("groups") < limit then
    ffi.fill(scratch, bytes)
  else
    return false
  end
  for i = 1, group.size do
    scratch[i - 1] = scratch[i - 1] + group[i]
  end
  if not counts:safe_set(key, ffi.string(scratch, bytes)) then -- one of equal length is written in place
    return false
  end
  if not text then
    counts:incr("groups", 1)
  end
  return true
end

-- Add the numbers of *group*, and set them to 0.
function M.add(group, others)
  if write(group, group.key) or write(group, others[sub(group.key, 1, 1)].key) then
    for i = 1, group.size do
      group[i] = 0
    end
  end
  group[M.DIRTY] = 0
end

-- Tell how many requests each of *peers* ("UPSTREAM|SERVER" -> table with `active`) has of this worker now.
function M.tell_active(peers)
  local lines = {}
  for key, peer in pairs(peers) do
    if peer.active > 0 then
      local at = find(key, "|", 1, true)
      lines[#lines + 1] = sub(key, 1, at - 1) .. "\t" .. sub(key, at + 1) .. "\t" .. peer.active
    end
  end
  local text = concat(lines, "\n")
  if text ~= told and counts:safe_set("a\t" .. ngx.worker.pid(), text) then
    told = text
  end
end

-- Forget that this worker has requests.
function M.leave()
  counts:delete("a\t" .. ngx.worker.pid())
end

-- Copy the counters of an entry of the dict into the table *numbers*; return how many there are.
local function unpacked(text, numbers)
  local size = #text / 8
  ffi.copy(scratch, text, #text)
  for i = 1, size do
    numbers[i] = scratch[i - 1]
  end
  return size
end

local function lines_of(keys, first, last)
  local lines, numbers = {}, {}
  for i = first, last do
    local key = keys[i]
    local kind, text = sub(key, 1, 2), counts:get(key)
    if text and kind == "a\t" then
      if workers.is_alive(tonumber(sub(key, 3))) then
        lines[#lines + 1] = text ~= "" and "a\t" .. gsub(text, "\n", "\na\t") or nil
      else
        counts:delete(key) -- of a worker that was killed
      end
    elseif text and (kind == "z\t" or kind == "s\t") then
      lines[#lines + 1] = key .. "\t" .. concat(numbers, " ", 1, unpacked(text, numbers))
    end
  end
  return lines
end

-- Answer with all groups, in slices, between which this worker does other work.
function M.answer()
  ngx.header.content_type = "text/plain"
  local keys = counts:get_keys(0)
  for first = 1, #keys, SLICE do
    local lines = lines_of(keys, first, min(first + SLICE - 1, #keys))
    lines[#lines + 1] = ""
    ngx.print(concat(lines, "\n"))
    ngx.flush(true)
    ngx.sleep(0.001) -- nginx logs a warning of 0
  end
  ngx.print("end\n")
  ngx.exit(ngx.HTTP_OK)
end

-- Delete an entry; return its counters, nil if it is not there.
local function take(key)
  local text = type(key) == "string" and match(key, "^[sz]\t") and counts:get(key)
  if not text then
    return nil
  end
  local group = {}
  group.size = unpacked(text, group)
  counts:delete(key)
  counts:incr("groups", -1)
  return group
end

local function change(wanted)
  for _, key in ipairs(wanted.delete) do
    take(key)
  end
  for _, each in ipairs(wanted.move) do
    local group = take(each[1])
    if group and not write(group, each[2]) then
      write(group, M.OTHERS)
    end
  end
end

-- Delete and move what the controller asks for: entries whose names it does not know any more.
function M.change()
  ngx.req.read_body()
  local wanted = cjson.decode(ngx.req.get_body_data() or "")
  while not M.lock() do
    ngx.sleep(workers.BUSY_S)
  end
  local ok, fault = pcall(change, wanted)
  M.unlock()
  if not ok then
    ngx.log(ngx.ERR, "metrics: ", fault)
    ngx.exit(ngx.HTTP_BAD_REQUEST)
  end
  ngx.exit(ngx.HTTP_NO_CONTENT)
end

return M
