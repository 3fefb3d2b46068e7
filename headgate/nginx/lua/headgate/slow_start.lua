-- Slow start: a server that was added, or recovered, gets requests in a share that grows over `slow_start` seconds to
-- the full one. Applies to round robin and least_conn, as in nginx. The time of the beginning is shared, so that each
-- worker gives the same share of its requests.
local state = require "headgate.state"

local now, max, min = ngx.now, math.max, math.min

local LEAST = 0.001 -- the share at the beginning, as a part of the full one

local M = {}

-- Have *peer* begin at *time*.
function M.begin(upstream, peer, time)
  if upstream.slow_start then
    peer.since = time
    upstream.warm_at = max(upstream.warm_at, time + upstream.slow_start)
  end
end

-- Announce to workers that decode *upstream* later that *peer* begins at *time*.
function M.remember(upstream, peer, time)
  if upstream.slow_start then
    state.set_since(upstream.name, peer.name, time, upstream.slow_start)
  end
end

-- Take over what was remembered when *upstream* was decoded.
function M.resume(upstream)
  upstream.warm_at = 0
  for _, peer in ipairs(upstream.peers) do
    M.begin(upstream, peer, state.since(upstream.name, peer.name))
  end
end

-- Return whether a peer of *upstream* has not yet its full share; the weights of its peers are then those of this
-- moment. The largest is 1.
local function weigh(upstream, time)
  local most, full = 0, upstream.slow_start
  for _, peer in ipairs(upstream.peers) do
    peer.weight = min(1, max(LEAST, (time - peer.since) / full))
    most = max(most, peer.weight)
  end
  for _, peer in ipairs(upstream.peers) do
    peer.weight = peer.weight / most
  end
  return time < upstream.warm_at
end

-- Return which peers take part in a choice: of those that are *usable* each in its share; nil if all have the full one.
function M.gate(upstream, usable)
  local time = now()
  if upstream.warm_at == 0 then
    return nil
  elseif not weigh(upstream, time) then
    upstream.warm_at = 0
    return nil
  end
  return function(peer)
    if not usable(peer) then
      return false
    end
    peer.credit = peer.credit + peer.weight
    if peer.credit < 1 then
      return false
    end
    peer.credit = peer.credit - 1
    return true
  end
end

return M
