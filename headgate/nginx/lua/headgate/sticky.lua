-- Session affinity: a cookie names the server of a client. Its value is that of nginx's own `sticky cookie` (the MD5 of
-- address and port), so that clients keep their servers in both data planes, in every worker, and over restarts.
local md5, time, cookie_time, header, variables = ngx.md5, ngx.time, ngx.cookie_time, ngx.header, ngx.var

local SET = "Set-Cookie"

local M = {}

-- Return the cookie of an upstream with *peers*, and with others that are *draining*: they are only for clients that
-- have their cookie. *value* is what the controller pushed: the name, the lifetime in
-- seconds (nil for a session of the browser, or one that `tail` has), and the other attributes.
function M.cookie(value, peers, draining)
  local by_value, leaving = {}, {}
  for _, group in ipairs { peers, draining } do
    for _, peer in ipairs(group) do
      peer.digest = peer.digest or md5(peer.name)
      by_value[peer.digest] = peer
      leaving[peer] = group == draining or nil
    end
  end
  return {
    variable = "cookie_" .. value.name, start = value.name .. "=", lifetime = value.lifetime, tail = value.tail or "",
    peers = by_value, draining = leaving,
  }
end

-- Return the peer that the client's *cookie* names, nil if there is none.
function M.peer(cookie)
  return cookie.peers[variables[cookie.variable] or ""]
end

local function text_of(cookie, peer)
  local lifetime = cookie.lifetime
  local expiry = lifetime and "; expires=" .. cookie_time(time() + lifetime) .. "; max-age=" .. lifetime or ""
  return cookie.start .. peer.digest .. expiry .. cookie.tail
end

-- Replace the field *previous* of the answer by *text*; either may be nil. Other cookies of the answer are kept.
local function replace(previous, text)
  local present = header[SET]
  if not present then
    header[SET] = text
    return
  end
  local kept = {}
  for _, each in ipairs(type(present) == "table" and present or { present }) do
    if each ~= previous then
      kept[#kept + 1] = each
    end
  end
  kept[#kept + 1] = text
  header[SET] = kept
end

-- Have the answer set the cookie, if the client does not have it, or its lifetime begins again (as nginx does it). None
-- leads to a backup server.
function M.answer(cookie, tries, peer)
  local text
  if cookie.peers[peer.digest or ""] and (cookie.lifetime or M.peer(cookie) ~= peer) then
    text = text_of(cookie, peer)
  end
  if text ~= tries.cookie then
    replace(tries.cookie, text)
    tries.cookie = text
  end
end

return M
