-- Failures of servers, counted as nginx counts them: after max_fails within fail_timeout, all workers leave the peer
-- out for fail_timeout; then one request of each worker tries it.
local slow_start = require "headgate.slow_start"
local state = require "headgate.state"

local match, max, now, tonumber, huge = string.match, math.max, ngx.now, tonumber, math.huge

local M = {}

-- Note until when a peer of *upstream* is left out (nil if none is): only until then a choice asks which may be chosen.
function M.watch(upstream)
  local latest = 0
  for _, peer in ipairs(upstream.all) do
    latest = max(latest, peer.out and huge or peer.down_until)
  end
  upstream.watched_until = latest > now() and latest or nil
end

local function leave_out(upstream, peer, time)
  peer.down_until = time
  upstream.watched_until = max(upstream.watched_until or 0, time)
end

-- Leave *peer* out as all workers do: until *time*, or (0) no longer.
local function share(upstream, peer, time)
  peer.shared_until = time
  if time > 0 then
    leave_out(upstream, peer, time)
  else
    peer.down_until = 0
    M.watch(upstream)
  end
end

-- "d:UPSTREAM|PEER|TIME": a worker found the peer unreachable and leaves it out until TIME, or (0) found it well again.
state.listen("d", function(text)
  local name, peer_name, time = match(text, "^(.*)|(.*)|(.*)$")
  local upstream = state.known("u", name)
  for _, peer in ipairs(upstream and upstream.all or {}) do
    if peer.name == peer_name then
      share(upstream, peer, tonumber(time))
      if time == "0" then
        slow_start.begin(upstream, peer, state.since(name, peer_name))
      end
    end
  end
end)

local function announce_down(upstream, peer, time)
  state.set_down(upstream.name, peer.name, time)
  if time == 0 then
    slow_start.remember(upstream, peer, now())
  end
  state.announce { "d:" .. upstream.name .. "|" .. peer.name .. "|" .. time }
  share(upstream, peer, time)
end

-- Count a failure; a single server is never left out. Further failures while all workers leave the peer out are not
-- announced: of requests that were under way, or that had no other.
function M.count(upstream, peer)
  if upstream.max_fails == 0 or #upstream.all < 2 then
    return
  end
  local time = now()
  peer.failures = peer.failures + 1
  peer.failed_at, peer.checked = time, time
  if peer.failures < upstream.max_fails then
    return
  elseif peer.shared_until <= time then
    announce_down(upstream, peer, time + upstream.fail_timeout)
  else
    leave_out(upstream, peer, time + upstream.fail_timeout)
  end
end

-- Forget the failures of a peer that answered, if it was chosen when fail_timeout was over.
function M.forget(upstream, peer)
  if peer.failed_at < peer.checked then
    peer.failures = 0
    if peer.down_until > 0 then
      announce_down(upstream, peer, 0)
    end
  end
end

-- Note that *peer*, which failed before, was chosen. Where it was left out, one request of this worker tries it; the
-- others wait for what becomes of that.
function M.check(upstream, peer)
  local time = now()
  if time - peer.checked > upstream.fail_timeout or peer.down_until > 0 then
    peer.checked = time
  end
  if peer.down_until > 0 then
    leave_out(upstream, peer, time + upstream.fail_timeout)
    peer.failures = max(peer.failures, upstream.max_fails - 1)
  end
end

-- Let all peers be chosen again.
function M.reset_failures(upstream)
  for _, peer in ipairs(upstream.all) do
    peer.down_until, peer.failures = 0, 0
  end
  M.watch(upstream)
end

return M
