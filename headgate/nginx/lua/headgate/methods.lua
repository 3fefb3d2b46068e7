-- How a peer is chosen. Each method is a function(upstream, peers, usable, again, text): *peers* is a list, *usable* a
-- function(peer) -> boolean, *again* whether the request was at another peer before, *text* the value of the upstream's
-- key. It returns a peer, nil if none is usable.
local crc32 = ngx.crc32_long
local band, rshift = bit.band, bit.rshift
local char, floor, random, sort = string.char, math.floor, math.random, table.sort

local POINTS = 160 -- of a server of weight 1 on the ring, as in ngx_http_upstream_hash_module
local REHASHES = 20 -- tries of a hash before round robin, as there

local DRAWS = 20 -- until the second of two random peers must be another one

local M = {}

local function smooth(peers, usable)
  local best
  local total = 0
  for i = 1, #peers do
    local peer = peers[i]
    if usable(peer) then
      peer.current = peer.current + peer.weight
      total = total + peer.weight
      if not best or peer.current > best.current then
        best = peer
      end
    end
  end
  if best then
    best.current = best.current - total
  end
  return best
end

-- In turn; with weights as nginx does it, without two requests in a row for a server that has more weight. The second
-- try of a request takes nobody's turn.
function M.round_robin(upstream, peers, usable, again)
  if not upstream.equal then
    return smooth(peers, usable)
  end
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

local function less_busy(one, other)
  return one.active * other.weight < other.active * one.weight
end

-- The one with the fewest requests in this worker, by weight; in turn among equals.
function M.least_conn(upstream, peers, usable)
  local best
  local count = #peers
  local first = upstream.turn % count
  upstream.turn = first + 1
  for i = 0, count - 1 do
    local peer = peers[(first + i) % count + 1]
    if usable(peer) and (not best or less_busy(peer, best)) then
      best = peer
    end
  end
  return best
end

local function at(peers, total, number)
  local rest = number % total
  for i = 1, #peers do
    rest = rest - peers[i].weight
    if rest < 0 then
      return peers[i]
    end
  end
end

-- The one that *text* leads to; another only while that one cannot be used. Requests without a text take turns, as in
-- nginx: they may be many.
function M.hash(upstream, peers, usable, again, text)
  if text == "" then
    return M.round_robin(upstream, peers, usable, again)
  end
  for rehash = 0, REHASHES - 1 do
    local peer = at(peers, upstream.weights, crc32(rehash == 0 and text or rehash .. text))
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
    for _ = 1, POINTS * peer.weight do
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

local function drawn(upstream, peers)
  return upstream.equal and peers[random(#peers)] or at(peers, upstream.weights, random(0, upstream.weights - 1))
end

function M.random(upstream, peers, usable, again)
  local peer = drawn(upstream, peers)
  return usable(peer) and peer or M.round_robin(upstream, peers, usable, again)
end

-- The less busy one of two different ones that are drawn.
function M.random_two(upstream, peers, usable, again)
  local one = drawn(upstream, peers)
  local other = one
  for _ = 1, DRAWS do
    other = drawn(upstream, peers)
    if other ~= one then
      break
    end
  end
  local first, second = usable(one), usable(other)
  if first and second then
    return less_busy(other, one) and other or one
  end
  return first and one or second and other or M.round_robin(upstream, peers, usable, again)
end

return M
