-- How a peer is chosen. Each method is a function(upstream, peers, usable, again, text): *peers* is a list, *usable* a
-- function(peer) -> boolean, *again* whether the request was at another peer before, *text* the value of the upstream's
-- key. It returns a peer, nil if none is usable.
local response_times = require "headgate.response_times"

local crc32 = ngx.crc32_long
local band, rshift = bit.band, bit.rshift
local now = ngx.now
local char, floor, random, sort = string.char, math.floor, math.random, table.sort

local POINTS = 160 -- of a server on the ring, as in ngx_http_upstream_hash_module
local REHASHES = 20 -- tries of a hash before round robin, as there

local M = {}

-- In turn. The second try of a request does not advance the turn.
function M.round_robin(upstream, peers, usable, again)
  local count, turn = #peers, upstream.turn
  for _ = 1, count do
    turn = turn % count + 1
    local peer = peers[turn]
    if usable(peer) then
      upstream.turn = again and upstream.turn or turn
      return peer
    end
  end
end

-- The one with the fewest requests in this worker, for its weight; in turn among equals.
function M.least_conn(upstream, peers, usable)
  local best, least
  local count = #peers
  local first = upstream.turn % count
  upstream.turn = first + 1
  for i = 0, count - 1 do
    local peer = peers[(first + i) % count + 1]
    local load = peer.active / peer.effective_weight
    if usable(peer) and (not best or load < least) then
      best, least = peer, load
    end
  end
  return best
end

-- The one that *text* leads to; another only while that one cannot be used. Requests without a text take turns, as in
-- nginx: they may be many.
function M.hash(upstream, peers, usable, again, text)
  if text == "" then
    return M.round_robin(upstream, peers, usable, again)
  end
  for rehash = 0, REHASHES - 1 do
    local peer = peers[crc32(rehash == 0 and text or rehash .. text) % #peers + 1]
    if usable(peer) then
      return peer
    end
  end
  return M.round_robin(upstream, peers, usable, again)
end

M.ip_hash = M.hash

-- Return the points of *peers* on a ring (Ketama), the same as nginx computes, so that clients keep their servers.
function M.ring(peers)
  local points = {}
  for i = 1, #peers do
    local peer = peers[i]
    local base = peer.port and peer.address .. "\0" .. peer.port or peer.address:sub(6) .. "\0" -- without "unix:"
    local previous = "\0\0\0\0"
    for _ = 1, POINTS do
      local number = crc32(base .. previous)
      points[#points + 1] = { number, peer }
      previous = char(
        band(number, 255), band(rshift(number, 8), 255), band(rshift(number, 16), 255), band(rshift(number, 24), 255)
      )
    end
  end
  sort(points, function(one, other) return one[1] < other[1] end)
  return points
end

local function first_at(points, number)
  local low, high = 1, #points
  while low < high do
    local middle = floor((low + high) / 2)
    if points[middle][1] < number then
      low = middle + 1
    else
      high = middle
    end
  end
  return points[low][1] < number and 1 or low
end

-- The first on the ring from where *text* leads to.
function M.consistent_hash(upstream, peers, usable, again, text)
  if text == "" then
    return M.round_robin(upstream, peers, usable, again)
  end
  local points = upstream.ring
  local place = first_at(points, crc32(text))
  for _ = 1, #points do
    local peer = points[place][2]
    if usable(peer) then
      return peer
    end
    place = place % #points + 1
  end
end

-- One of the first different ones on the ring from where *text* leads to, as many as the upstream says.
function M.consistent_subset(upstream, peers, usable, again, text)
  if text == "" then
    return M.round_robin(upstream, peers, usable, again)
  end
  local points = upstream.ring
  local place, found, known = first_at(points, crc32(text)), {}, {}
  for _ = 1, #points do
    local peer = points[place][2]
    if not known[peer] and usable(peer) then
      found[#found + 1] = peer
      if #found == (upstream.subset or 1) then
        break
      end
    end
    known[peer] = true
    place = place % #points + 1
  end
  return found[1] and found[random(#found)]
end

function M.random(upstream, peers, usable, again)
  local peer = peers[random(#peers)]
  return usable(peer) and peer or M.round_robin(upstream, peers, usable, again)
end

-- Of two different ones that are drawn, the one that *better*(one, other) says.
local function drawn(upstream, peers, usable, again, better)
  local count = #peers
  local place = random(count)
  local one = peers[place]
  local other = count > 1 and peers[(place + random(count - 1) - 1) % count + 1] or one
  local first, second = usable(one), usable(other)
  if first and second then
    return better(upstream, one, other)
  end
  return first and one or second and other or M.round_robin(upstream, peers, usable, again)
end

local function less_busy(_, one, other)
  return other.active < one.active and other or one
end

local function faster(upstream, one, other)
  local time = now()
  return response_times.cost(upstream, other, time) < response_times.cost(upstream, one, time) and other or one
end

-- The less busy one of two different ones that are drawn.
function M.random_two(upstream, peers, usable, again)
  return drawn(upstream, peers, usable, again, less_busy)
end

-- The one of two that a request is expected to take least time at.
function M.random_two_least_time(upstream, peers, usable, again)
  return drawn(upstream, peers, usable, again, faster)
end

-- The one that a request is expected to take least time at; in turn among equals.
function M.least_time(upstream, peers, usable)
  local best, least
  local count, time = #peers, now()
  local first = upstream.turn % count
  upstream.turn = first + 1
  for i = 0, count - 1 do
    local peer = peers[(first + i) % count + 1]
    if usable(peer) then
      local cost = response_times.cost(upstream, peer, time)
      if not best or cost < least then
        best, least = peer, cost
      end
    end
  end
  return best
end

return M
