-- How long servers take to answer, as each worker measures it: an average in which what is older counts less, by the
-- time that has passed since then. A server that was not asked for long is therefore asked again.
local exp, match, max, now, tonumber = math.exp, string.match, math.max, ngx.now, tonumber
local variables = ngx.var

local FADES_S = 10 -- after this time, what was measured has 1/e of its weight
local LEAST_S = 0.001 -- what nginx measures as 0; a server that was never asked counts as one that takes this long
local FAILED_S = 1 -- a server that failed counts as one that takes this long

local M = {}

local function average(peer, time)
  return peer.takes * exp((peer.measured_at - time) / FADES_S)
end

-- Note that *peer* took some seconds to answer; where a measurement *peaks*, a longer one replaces the average.
local function note(peer, seconds, peaks)
  local time = now()
  local kept = exp((peer.measured_at - time) / FADES_S)
  local before = peer.takes * kept
  peer.takes = peaks and seconds > before and seconds or before + seconds * (1 - kept)
  peer.measured_at = time
end

-- Take the time of the last try of the request, which has ended, at *peer*; *header* is $upstream_header_time.
function M.answered(upstream, peer, header)
  local text = upstream.times.of == "last_byte" and variables.upstream_response_time or header
  local seconds = tonumber(match(text or "", "([%d.]+)$"))
  if seconds then
    note(peer, seconds, upstream.times.peaks)
  end
end

-- Note that a try at *peer* failed: an error that comes soon does not make it the fastest.
function M.failed(peer)
  local time = now()
  peer.takes, peer.measured_at = max(average(peer, time), FAILED_S), time
end

-- Return how long a further request at *peer* would take, for its weight: that of those that are under way, too.
function M.cost(upstream, peer, time)
  local seconds = max(average(peer, time), LEAST_S)
  if upstream.times.inflight and peer.active > 0 then
    seconds = max(seconds, time - peer.started / peer.active)
  end
  return seconds * (peer.active + 1) / peer.effective_weight
end

return M
