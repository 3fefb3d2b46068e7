-- Counts requests and tries in the log phase, in groups of counters; `totals` has the sums of all workers, for the
-- controller, which makes metrics of them.
--
-- All names are of the configuration or of the live state, but a status is what a backend makes of it: of more than
-- `limit` groups, each further one is counted in a common one.
local new_table = require "table.new"
local totals = require "headgate.totals"
local workers = require "headgate.workers"

local variables, tonumber = ngx.var, tonumber
local floor, max, huge = math.floor, math.max, math.huge
local gmatch, gsub = string.gmatch, string.gsub

local ZONE = 9 -- numbers in a group of requests
local DISCARDED, RECEIVED, SENT, RETRIES = 6, 7, 8, 9
local TOTAL_MS, HEADER_MS, FAILED, UNTIMED, BEFORE_BUCKETS = 1, 2, 3, 4, 4
local DIRTY = totals.DIRTY
local INTERVAL_S = 1
local AT_ONCE = 500 -- groups that are added in one interval: a worker does nothing else meanwhile
local PATIENCE_S = 2 -- of a worker that ends, for others that add
local FORGET_AFTER = 64 -- intervals: then a worker forgets its groups, also those of servers that are gone
local NO_TIME = -1 -- milliseconds of "-"
local TIMES = 1000 -- texts of times whose milliseconds a worker keeps: cheaper than to read them
local NEAR_MS = 500 -- times up to this have their bucket in a table

local M = { on = totals.there }
local limit, bounds, near = 0, {}, {}
local buckets = 0
local zones, servers, groups = {}, {}, 0 -- host -> upstream -> group; upstream -> server -> status -> group
local dirty, changed = {}, 0 -- groups with numbers that the totals lack
local pending, left = {}, 0 -- those of before, which are being added
local others = {}
local milliseconds, kept = {}, 0 -- text in seconds -> milliseconds
local peers = {} -- "UPSTREAM|SERVER" -> table with `active`
local rounds, leaving = 0, false

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

-- Return the table at *key* of *tables*, a new one if there is none.
local function below(tables, key)
  local found = tables[key]
  if not found then
    found = {}
    tables[key] = found
  end
  return found
end

local function zone_of(host, upstream)
  local of = below(zones, host)
  local group = of[upstream]
  if not group then
    group = added("z\t" .. host .. "\t" .. upstream, ZONE, "z")
    of[upstream] = group
  end
  return group
end

local function tries_of(upstream, server, status)
  local codes = below(below(servers, upstream), server)
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

-- Return the parts of a variable of several tries, in a list for each upstream: between upstreams is " : ", else ", ".
local function parts_of(text)
  local lists = {}
  for list in gmatch(gsub(text or "", " : ", "\n") .. "\n", "(.-)\n") do
    local parts = {}
    for part in gmatch(list .. ", ", "(.-), ") do
      parts[#parts + 1] = part
    end
    lists[#lists + 1] = parts
  end
  return lists
end

-- Return the name of the upstream where no live one was asked, as the location has it.
local function other_upstream() return variables.latency_upstream or "" end

-- Return the names of the upstreams at whose servers (*at*) a request was: *asked* are the live ones, each with its
-- last server. Of the others, only the name of the last one is known.
local function names_of(at, asked)
  local names, first = {}, 1
  for i, of in ipairs(at) do
    for j = first, #asked do
      if asked[j].server == of[#of] then
        names[i], first = asked[j].upstream, j + 1
        break
      end
    end
  end
  names[#at] = names[#at] or other_upstream()
  return names
end

-- Count the tries at one upstream, and all but the first as retries. Where all servers were full, nginx has no name of
-- a server; where all of an upstream in files were left out, it has that of the upstream.
local function count_tries(host, name, server, status, time, header)
  local tried = 0
  for i = 1, #status do
    local at = server[i] or "-"
    if at ~= name and at ~= "" then
      tried = tried + 1
      count_try(tries_of(name, at, status[i]), status[i], time[i] or "-", header[i] or "-")
    end
  end
  if tried > 1 then
    local group = zone_of(host, name)
    touch(group)
    group[RETRIES] = group[RETRIES] + tried - 1
  end
end

-- Count all tries of a request that had several; return the name of its last upstream.
local function count_all(host, asked, statuses)
  local server, time = parts_of(variables.upstream_addr), parts_of(variables.upstream_response_time)
  local header, names = parts_of(variables.upstream_header_time), names_of(server, asked)
  for i, status in ipairs(parts_of(statuses)) do
    if (names[i] or "") ~= "" then
      count_tries(host, names[i], server[i], status, time[i] or {}, header[i] or {})
    end
  end
  return names[#server]
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

-- Count the tries of a request with *statuses*; return the name of its last upstream.
local function count_upstream(host, upstream, peer, header, earlier, statuses)
  if #statuses ~= 3 and statuses ~= "-" then
    local asked = earlier or {}
    if upstream then
      asked[#asked + 1] = { upstream = upstream.name, server = peer and peer.name or "" }
    end
    return count_all(host, asked, statuses)
  end
  local name = upstream and upstream.name or other_upstream()
  if peer or not upstream and name ~= "" then
    local group = peer and tries_at(upstream, peer, statuses)
      or tries_of(name, variables.upstream_addr or "-", statuses)
    header = header or variables.upstream_header_time or "-"
    count_try(group, statuses, variables.upstream_response_time or "-", header)
  end
  return name
end

-- Count the request that has ended: *upstream* is its last live upstream, *peer* its last server there (nil if all were
-- full), *header* is $upstream_header_time, if it was read before, *earlier* are the live upstreams before, *routed* is
-- its host, if that has no server block.
function M.count(upstream, peer, header, earlier, routed)
  local host = routed or variables.server_name
  if host == "" then
    return -- of Headgate itself
  end
  local statuses = variables.upstream_status
  local name = statuses and count_upstream(host, upstream, peer, header, earlier, statuses) or ""
  local group = upstream and upstream.name == name and zone_at(upstream, host) or zone_of(host, name)
  touch(group)
  local sent, class = tonumber(variables.bytes_sent), floor(ngx.status / 100)
  if sent == 0 or class < 1 or class > 5 then
    class = DISCARDED
  end
  group[class] = group[class] + 1
  group[RECEIVED] = group[RECEIVED] + tonumber(variables.request_length)
  group[SENT] = group[SENT] + sent
  if leaving then
    M.add_all()
  end
end

-- Add up to *most* groups to the totals; return whether that was possible: one worker does it at a time.
local function add(most)
  if left == 0 then
    pending, dirty = dirty, pending
    left, changed = changed, 0
  end
  if left > 0 then
    if not totals.lock() then
      return false
    end
    for i = left, max(left - most + 1, 1), -1 do
      totals.add(pending[i], others)
      pending[i] = nil
    end
    left = max(left - most, 0)
    totals.unlock()
  end
  totals.tell_active(peers)
  return true
end

-- Add all that this worker counted; return whether that was possible.
function M.add_all()
  return add(huge) and (changed == 0 or add(huge))
end

-- Forget the groups of this worker: a server that is gone would stay for ever. Those that are not added yet are in
-- `dirty` or `pending`, with their keys.
local function forget()
  rounds = rounds + 1
  if rounds >= FORGET_AFTER then
    zones, servers, groups, rounds = {}, {}, 0, 0
  end
end

local function tick(ending)
  leaving = ending -- from now on there are no timers, and each request is added at its end
  if ending then
    return M.add_all()
  end
  local done = add(AT_ONCE)
  forget()
  ngx.timer.at(done and INTERVAL_S or workers.BUSY_S, tick)
end

-- Count from now on: at most *most* groups, times by *upper* bounds in milliseconds. *watched* are the peers.
function M.start(most, upper, watched)
  limit, bounds, peers = most, upper, watched
  buckets = #bounds + 1
  local bucket = 1
  for ms = 0, NEAR_MS do
    while bucket < buckets and ms > bounds[bucket] do
      bucket = bucket + 1
    end
    near[ms] = bucket
  end
  others.z = new_group(totals.OTHERS, ZONE)
  others.s = new_group("s\t*\t*\t*", BEFORE_BUCKETS + buckets)
  totals.start(limit, others)
  ngx.timer.at(INTERVAL_S, tick)
end

-- Add the last counts of a worker that ends.
function M.stop()
  local began = ngx.now()
  while not M.add_all() and ngx.now() - began < PATIENCE_S do
    ngx.update_time()
  end
  totals.leave()
end

-- Answer the controller.
function M.answer()
  if ngx.req.get_method() == "GET" then
    add(AT_ONCE)
    return totals.answer()
  end
  totals.change()
end

return M
