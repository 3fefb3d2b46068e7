-- Slow start: a server that was added, or recovered, recovers its weight from (nearly) zero over `slow_start` seconds.
-- Applies to round robin and least_conn, as in nginx. The time of the beginning is shared, so that the weight is the
-- same in each worker.
local state = require "headgate.state"

local now, max, min = ngx.now, math.max, math.min

local LEAST = 0.001 -- the weight at the beginning, as a part of the full one

local M = {}

-- Have *peer* begin at *time*.
function M.begin(upstream, peer, time)
  if upstream.slow_start then
    peer.since, upstream.weighed_at = time, nil
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

-- Compute the effective weights of the peers at *time*; the largest is 1.
local function weigh(upstream, time)
  local most, full = 0, upstream.slow_start
  for _, peer in ipairs(upstream.peers) do
    peer.effective_weight = min(1, max(LEAST, (time - peer.since) / full))
    most = max(most, peer.effective_weight)
  end
  for _, peer in ipairs(upstream.peers) do
    peer.effective_weight = peer.effective_weight / most
  end
  upstream.weighed_at = time
end

-- Return which peers take part in a choice: of those that *may_be* chosen each in proportion to its effective weight;
-- nil if all have the full one.
function M.usable(upstream, may_be)
  if upstream.warm_at == 0 then
    return nil
  end
  local time = now()
  if upstream.weighed_at ~= time then
    weigh(upstream, time)
  end
  if time >= upstream.warm_at then
    upstream.warm_at = 0
    return nil
  end
  return function(peer)
    if not may_be(peer) then
      return false
    end
    peer.current_weight = peer.current_weight + peer.effective_weight
    if peer.current_weight < 1 then
      return false
    end
    peer.current_weight = peer.current_weight - 1
    return true
  end
end

return M
