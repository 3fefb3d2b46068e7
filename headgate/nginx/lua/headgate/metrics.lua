-- Counts requests and tries in the log phase, for the controller, which makes metrics of them.
--
-- A worker counts in tables of its own. Once a second, with many groups less often, it adds them to a dict that all
-- workers share, and that outlives reloads and workers; a worker that ends adds what is left. A key of that dict is one
-- group of numbers:
--
--   z HOST UPSTREAM              of requests of a server block, by the upstream that answered, "" for nginx itself:
--                                1xx ... 5xx, without an answer, bytes received, bytes sent, further tries
--   s UPSTREAM SERVER STATUS     of tries of a server, "-" for those without a status: milliseconds of all of them,
--                                milliseconds until their header, tries without a response header, tries without a
--                                time, and the others by response time (buckets, then all that took longer)
--   a PID                        in place of numbers, lines with the requests that the servers have of this worker now
--
-- The parts of keys are separated by tabs. All names are of the configuration or of the live state, but a status is
-- what a backend makes of it: of more than `limit` groups, each further one is counted in one with the names "*".
local ffi = require "ffi"
local cjson = require "cjson.safe"

local counts, locks = ngx.shared.headgate_metrics, ngx.shared.headgate_changes
local variables, tonumber, concat = ngx.var, tonumber, table.concat
local floor, max, min = math.floor, math.max, math.min
local new_table = require "table.new"
local find, gmatch, gsub, match, sub = string.find, string.gmatch, string.gsub, string.match, string.sub

local ZONE = 9 -- numbers in a group of requests
local DISCARDED, RECEIVED, SENT, RETRIES = 6, 7, 8, 9
local TOTAL_MS, HEADER_MS, FAILED, UNTIMED, BEFORE_BUCKETS = 1, 2, 3, 4, 4
local DIRTY = 0 -- in a group, too: 1 if it has numbers to add
local INTERVAL_S, LONGEST_S = 1, 10
local ADDED_IN_S = 500 -- groups that a worker adds in a second; of more it adds each less often
local BUSY_S = 0.02 -- until another try, while another worker adds
local LOCKED_S = 2 -- after that, a lock is of a worker that died
local DROPPED = 64 -- intervals after which a worker forgets its groups: those of servers that are gone, too
local NO_TIME = -1 -- milliseconds of "-"
local TIMES = 1000 -- texts of times whose milliseconds a worker keeps: cheaper than to read them
local SLICE = 200 -- groups in one piece of an answer
local NEAR_MS = 500 -- times up to this have their bucket in a table

ffi.cdef "int kill(int pid, int signal);"

local M = { on = counts ~= nil }
local limit, bounds, near = 0, {}, {}
local buckets = 0
local zones, servers, groups = {}, {}, 0 -- host -> upstream -> group; upstream -> server -> status -> group
local dirty, changed = {}, 0
local others = {}
local milliseconds, kept = {}, 0 -- text in seconds -> milliseconds
local peers = {} -- "UPSTREAM|SERVER" -> table with `active`
local scratch, told, rounds, leaving = nil, "", 0, false

-- What a request changes lies together: with thousands of groups the memory is what takes time.
local function new_group(key, size)
  local group = new_table(size, 2)
  group[DIRTY], group.key, group.size = 0, key, size
  for i = 1, size do
    group[i] = 0
  end
  return group
end

-- Return a group of this worker, the common one if there are too many.
local function added(key, size, other)
  if groups >= limit then
    return others[other]
  end
  groups = groups + 1
  return new_group(key, size)
end

local function touch(group)
  if group[DIRTY] == 0 then
    group[DIRTY] = 1
    changed = changed + 1
    dirty[changed] = group
  end
end

local function zone_of(host, upstream)
  local of = zones[host]
  if not of then
    of = {}
    zones[host] = of
  end
  local group = of[upstream]
  if not group then
    group = added("z\t" .. host .. "\t" .. upstream, ZONE, "z")
    of[upstream] = group
  end
  return group
end

local function tries_of(upstream, server, status)
  local of = servers[upstream]
  if not of then
    of = {}
    servers[upstream] = of
  end
  local codes = of[server]
  if not codes then
    codes = {}
    of[server] = codes
  end
  local group = codes[status]
  if not group then
    group = added("s\t" .. upstream .. "\t" .. server .. "\t" .. status, BEFORE_BUCKETS + buckets, "s")
    codes[status] = group
  end
  return group
end

local function read_time(text)
  local seconds = tonumber(text)
  local ms = seconds and floor(seconds * 1000 + 0.5) or NO_TIME
  if kept < TIMES then
    kept = kept + 1
    milliseconds[text] = ms
  end
  return ms
end

local function bucket_of(ms)
  if ms <= NEAR_MS then
    return near[ms]
  end
  local bucket = near[NEAR_MS]
  while bucket < buckets and ms > bounds[bucket] do
    bucket = bucket + 1
  end
  return bucket
end

-- Count one try in *group*; the times are text in seconds, "-" for none. An answer without a header is one of nginx.
local function count_try(group, status, time, header)
  touch(group)
  local ms = milliseconds[time] or read_time(time)
  if ms >= 0 and status ~= "-" then
    local bucket = BEFORE_BUCKETS + bucket_of(ms)
    group[bucket] = group[bucket] + 1
    group[TOTAL_MS] = group[TOTAL_MS] + ms
  else
    group[UNTIMED] = group[UNTIMED] + 1
  end
  local until_header = milliseconds[header] or read_time(header)
  if until_header >= 0 then
    group[HEADER_MS] = group[HEADER_MS] + until_header
  elseif status == "502" or status == "504" then
    group[FAILED] = group[FAILED] + 1
  end
end

-- Return the parts of a variable of several tries: ", " is between them, and " : " where another upstream follows.
local function parts_of(text)
  local parts = {}
  for part in gmatch(gsub(text or "", " : ", ", "), "[^,]+") do
    parts[#parts + 1] = match(part, "^%s*(.-)%s*$")
  end
  return parts
end

-- Count the tries of a request that had several; return how many followed another one at the same upstream.
local function count_tries(upstream, statuses)
  local status = parts_of(statuses)
  local server, time = parts_of(variables.upstream_addr), parts_of(variables.upstream_response_time)
  local header = parts_of(variables.upstream_header_time)
  if upstream ~= "" then
    for i = 1, #status do
      local group = tries_of(upstream, server[i] or "-", status[i])
      count_try(group, status[i], time[i] or "-", header[i] or "-")
    end
  end
  local _, retries = gsub(statuses, ",", "")
  return retries
end

-- Return the name of the upstream that was asked, where no live server was chosen. What is in a variable counts only if
-- the configuration put it there, for a snippet may proxy to what a client wrote.
local function other_upstream()
  local name = variables.latency_upstream
  return name ~= "" and name or variables.proxy_host and M.known(variables.proxy_host) or ""
end

-- The group of a host is kept at the upstream, the group of a status at the peer, as long as the next request has the
-- same: both tables were just used. A worker that forgot the group adds the same numbers to the same key.
local function zone_at(upstream, host)
  if upstream.zone_host == host then
    return upstream.zone
  end
  local group = zone_of(host, upstream.name)
  if group ~= others.z then
    upstream.zone_host, upstream.zone = host, group
  end
  return group
end

local function tries_at(upstream, peer, status)
  if peer.tries_status == status then
    return peer.tries
  end
  local group = tries_of(upstream.name, peer.name, status)
  if group ~= others.s then
    peer.tries_status, peer.tries = status, group
  end
  return group
end

-- Count the tries of a request with *statuses*; return how many followed another one, and the name of the upstream.
local function count_upstream(upstream, peer, header, statuses)
  local name = upstream and upstream.name or other_upstream()
  if #statuses ~= 3 and statuses ~= "-" then
    return count_tries(name, statuses), name
  end
  if name ~= "" then
    local group = peer and tries_at(upstream, peer, statuses)
      or tries_of(name, variables.upstream_addr or "-", statuses)
    header = header or variables.upstream_header_time or "-"
    count_try(group, statuses, variables.upstream_response_time or "-", header)
  end
  return 0, name
end

-- Count the request that has ended: *upstream* is its live upstream, *peer* its last server there, *header* is
-- $upstream_header_time, if it was read before.
function M.count(upstream, peer, header)
  local host = variables.server_name
  if host == "" then
    return -- of Headgate itself
  end
  local statuses = variables.upstream_status
  local name, retries = "", 0
  if statuses then
    retries, name = count_upstream(upstream, peer, header, statuses)
  end
  local group = upstream and statuses and zone_at(upstream, host) or zone_of(host, name)
  touch(group)
  local sent, class = tonumber(variables.bytes_sent), floor(ngx.status / 100)
  if sent == 0 or class < 1 or class > 5 then
    class = DISCARDED
  end
  group[class] = group[class] + 1
  group[RECEIVED] = group[RECEIVED] + tonumber(variables.request_length)
  group[SENT] = group[SENT] + sent
  if retries > 0 then
    group[RETRIES] = group[RETRIES] + retries
  end
  if leaving then
    M.flush()
  end
end

-- Add *group* to what all workers have under *key*; return whether there was memory for it.
local function add(group, key)
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

local function add_all()
  for i = 1, changed do
    local group = dirty[i]
    if add(group, group.key) or add(group, others[sub(group.key, 1, 1)].key) then
      for field = 1, group.size do
        group[field] = 0
      end
    end
    group[DIRTY], dirty[i] = 0, nil
  end
  changed = 0
end

-- Tell how many requests each server has of this worker now.
local function tell_active()
  local lines = {}
  for key, peer in pairs(peers) do
    if peer.active > 0 then
      local at = find(key, "|", 1, true)
      lines[#lines + 1] = sub(key, 1, at - 1) .. "\t" .. sub(key, at + 1) .. "\t" .. peer.active
    end
  end
  local text = concat(lines, "\n")
  if text ~= told then
    told = text
    counts:safe_set("a\t" .. ngx.worker.pid(), text)
  end
end

local function lock() return locks:add("metrics", true, LOCKED_S) end

local function unlock() locks:delete("metrics") end

-- Add what this worker counted; return whether that was possible, which it is not while another one does.
function M.flush()
  if changed > 0 then
    if not lock() then
      return false
    end
    add_all()
    unlock()
  end
  tell_active()
  return true
end

-- Forget the groups of this worker, which hold nothing any more: a server that is gone would stay for ever.
local function forget()
  rounds = rounds + 1
  if rounds >= DROPPED and changed == 0 then
    zones, servers, groups, rounds = {}, {}, 0, 0
  end
end

local function tick(ending)
  leaving = ending -- from now on there are no timers, and each request is added at its end
  local interval = min(max(INTERVAL_S, changed / ADDED_IN_S), LONGEST_S)
  local flushed = M.flush()
  forget()
  if not ending then
    ngx.timer.at(flushed and interval or BUSY_S, tick)
  end
end

-- Count from now on: at most *most* groups, times by *upper* bounds in milliseconds. *watched* are the peers, *known*
-- is a function(name) that returns the name if there is a live upstream called so.
function M.start(most, upper, watched, known)
  limit, bounds, peers, M.known = most, upper, watched, known
  buckets = #bounds + 1
  local bucket = 1
  for ms = 0, NEAR_MS do
    while bucket < buckets and ms > bounds[bucket] do
      bucket = bucket + 1
    end
    near[ms] = bucket
  end
  scratch = ffi.new("double[?]", BEFORE_BUCKETS + buckets + ZONE)
  others.z = new_group("z\t*\t*", ZONE)
  others.s = new_group("s\t*\t*\t*", BEFORE_BUCKETS + buckets)
  for _, group in pairs(others) do -- there is a place for them when there is none for others
    counts:safe_add(group.key, string.rep("\0", group.size * 8))
  end
  counts:safe_add("groups", 0)
  ngx.timer.at(INTERVAL_S, tick)
end

-- Add the last counts of a worker that ends.
function M.stop()
  local began = ngx.now()
  while not M.flush() and ngx.now() - began < LOCKED_S do
    ngx.update_time()
  end
  counts:delete("a\t" .. ngx.worker.pid())
end

local function lines_of(keys, first, last)
  local lines, numbers = {}, {}
  for i = first, last do
    local key = keys[i]
    local kind, text = sub(key, 1, 2), counts:get(key)
    if text and kind == "a\t" then
      if ffi.C.kill(tonumber(sub(key, 3)), 0) == 0 then
        lines[#lines + 1] = text ~= "" and "a\t" .. gsub(text, "\n", "\na\t") or nil
      else
        counts:delete(key) -- of a worker that was killed
      end
    elseif text and (kind == "z\t" or kind == "s\t") then
      local size = #text / 8
      ffi.copy(scratch, text, #text)
      for field = 1, size do
        numbers[field] = scratch[field - 1]
      end
      lines[#lines + 1] = key .. "\t" .. concat(numbers, " ", 1, size)
    end
  end
  return lines
end

-- Answer with a line for each group, and "end". In slices, between which this worker does other work.
local function tell()
  M.flush()
  ngx.header.content_type = "text/plain"
  local keys = counts:get_keys(0)
  for first = 1, #keys, SLICE do
    local lines = lines_of(keys, first, min(first + SLICE - 1, #keys))
    lines[#lines + 1] = ""
    ngx.print(concat(lines, "\n"))
    ngx.flush(true)
    ngx.sleep(0)
  end
  ngx.print("end\n")
  ngx.exit(ngx.HTTP_OK)
end

-- Delete groups: the controller does not know their names any more.
local function delete()
  ngx.req.read_body()
  local wanted = cjson.decode(ngx.req.get_body_data() or "")
  while not lock() do
    ngx.sleep(BUSY_S)
  end
  for _, key in ipairs(type(wanted) == "table" and wanted.delete or {}) do
    if type(key) == "string" and match(key, "^[sz]\t") and counts:get(key) then
      counts:delete(key)
      counts:incr("groups", -1)
    end
  end
  unlock()
  ngx.exit(ngx.HTTP_NO_CONTENT)
end

-- The requests of the controller: GET /v1/metrics, and POST /v1/metrics {delete}.
function M.answer()
  if ngx.req.get_method() == "GET" then
    return tell()
  end
  delete()
end

return M
