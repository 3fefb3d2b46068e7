-- Decides about requests of routes with a Policy of type oidc: by the session cookie, which the controller sealed when
-- the client had logged in. No other process is asked. What a session holds is one field a line:
--
--   when it ends (seconds since 1970), whether it can be refreshed ("r" or "-"), the user, the access token
--
-- "o:session" has the keys. A cookie that was sealed for another host, another Policy or with another key is none.
local base64 = require "ngx.base64"
local seal = require "headgate.seal"
local state = require "headgate.state"

local byte, find, lower, sub, tonumber = string.byte, string.find, string.lower, string.sub, tonumber
local decode_base64url, escape = base64.decode_base64url, ngx.escape_uri
local var, request, time = ngx.var, ngx.req, ngx.time
local get, sync = state.get, state.sync

local MARK = "headgate_" -- in the names of all cookies of Headgate
local HOST = "__Host-" -- before it, where the client speaks HTTPS: the cookie can be from no other host (RFC 6265bis)
local KEY_ID = 8 -- characters before what is sealed
local ZERO = byte("0")
local MOST = 9 -- parts of a session
local ROOM = 1024 * 1024 -- bytes of cookies that are remembered for a Policy, and as many older ones

local M = {}
local names = {} -- Policy -> names of its cookies, what is sealed with them, and the sessions that were opened

state.decode("o", function(_, value)
  local openers = {}
  for id, text in pairs(value.keys) do
    openers[id] = seal.opener(ngx.decode_base64(text))
  end
  return openers
end, function(value)
  if type(value.keys) ~= "table" then
    return false
  end
  for id, text in pairs(value.keys) do
    local key = type(text) == "string" and ngx.decode_base64(text)
    if type(id) ~= "string" or #id ~= KEY_ID or not key or #key ~= seal.KEY then
      return false
    end
  end
  return true
end)

-- Forget what was opened for *known*, the names of a Policy; *openers* are the keys from now on.
local function forget(known, openers)
  known.recent, known.older, known.bytes, known.openers = {}, {}, 0, openers
end

local function names_of(policy)
  local known = names[policy]
  if not known then
    local name = MARK .. policy
    known = { secure = "cookie_" .. HOST .. name, plain = "cookie_" .. name, purpose = "session\n" .. policy .. "\n" }
    forget(known)
    names[policy] = known
  end
  return known
end

-- Remember *session* by *cookies*, the whole header: the next request of the client has the same.
local function keep(known, cookies, session)
  if known.bytes > ROOM then
    known.older, known.recent, known.bytes = known.recent, {}, 0
  end
  known.recent[cookies] = session
  known.bytes = known.bytes + #cookies
end

-- Return whether the client speaks HTTPS, with nginx or with what is before it.
local function is_secure()
  return var.scheme == "https" or var.http_x_forwarded_proto == "https"
end

-- Return the text of a session of *count* parts, of which *first* is one; nil if a part is missing.
local function whole(name, first, count)
  if count < 1 or count > MOST then
    return nil
  end
  local text = first
  for number = 1, count - 1 do
    local part = var[name .. "_" .. number]
    if not part then
      return nil
    end
    text = text .. part
  end
  return text
end

-- Return what the session cookie *name* of the request holds, nil if there is none that counts. Its text is the number
-- of parts, the name of a key, and what was sealed with that.
local function opened(name, purpose, openers)
  local text = var[name]
  if not text or text == "" then
    return nil
  end
  local count = byte(text) - ZERO
  if count ~= 1 then
    text = whole(name, text, count)
  end
  local opener = text and openers[sub(text, 2, 1 + KEY_ID)]
  local sealed = opener and decode_base64url(sub(text, 2 + KEY_ID))
  return sealed and seal.open(opener, sealed, purpose)
end

-- Return the header Cookie without the cookies of sessions, nil if nothing is left. Case does not matter, as
-- where nginx reads a cookie.
local function without_sessions(cookies)
  local kept, from = nil, 1
  repeat
    local semicolon = find(cookies, ";", from, true)
    local pair = sub(cookies, from, semicolon and semicolon - 1)
    local equals = find(pair, "=", 1, true)
    local mark = find(lower(pair), MARK, 1, true)
    if not mark or not equals or mark > equals then
      while byte(pair) == 32 do
        pair = sub(pair, 2)
      end
      kept = kept and kept .. "; " .. pair or pair
    end
    from = semicolon and semicolon + 1
  until not from
  return kept
end

local function set_cookies(cookies)
  if cookies then
    request.set_header("Cookie", cookies)
  else
    request.clear_header("Cookie")
  end
end

-- Have the backend see who the client is, and not the session; and the access token in place of what the client sends,
-- if *bears*.
local function pass(session, bears)
  request.set_header("username", session.user)
  if bears and session.bearer then
    request.set_header("Authorization", session.bearer)
  elseif bears then
    request.clear_header("Authorization")
  end
  set_cookies(session.kept)
end

local function has_ours(cookies)
  return cookies and find(lower(cookies), MARK, 1, true) ~= nil
end

-- Hide sessions from what a request is passed on to where none is required; called by nginx in the rewrite phase. A
-- subrequest has the headers of the request itself, which may not be let in yet.
function M.hide()
  local cookies = var.http_cookie
  if has_ours(cookies) and not ngx.is_subrequest and var.headgate_cookies then -- else there are no sessions
    var.headgate_cookies = cookies -- for a guarded location to which the request is redirected internally
    set_cookies(without_sessions(cookies))
  end
end

-- Return the cookies of the request that are not of sessions.
function M.others()
  local cookies = var.http_cookie
  return cookies and without_sessions(cookies) or ""
end

-- Return the header Cookie as the client sent it.
local function cookies_of_request()
  local hidden = var.headgate_cookies
  if not hidden or hidden == "" then
    return var.http_cookie
  end
  set_cookies(hidden)
  var.headgate_cookies = ""
  return hidden
end

-- Return whether the request is for a page that a browser shows: only then a login can begin.
local function navigates()
  local mode = var.http_sec_fetch_mode
  if mode then
    return mode == "navigate"
  end
  local accept = var.http_accept
  return accept ~= nil and find(accept, "text/html", 1, true) ~= nil and not var.http_x_requested_with
end

-- Send the client to the controller at *path*, which brings it back; or answer 401. *expired*: there was a session
-- that can be refreshed, which needs no user, so that any request may wait for it.
local function refuse(policy, path, expired)
  local method = request.get_method()
  local reads = method == "GET" or method == "HEAD"
  local header = ngx.header
  header["Cache-Control"] = "no-store"
  local login = path .. "?policy=" .. policy
  local shown = reads and navigates()
  if not shown and not expired then
    header["WWW-Authenticate"] = 'OpenIDConnect login="' .. login .. '"'
    return ngx.exit(401)
  end
  header["Location"] = login .. (shown and "" or "&only=refresh") .. "&to=" .. escape(var.request_uri)
  ngx.status = reads and 302 or 307
  return ngx.exit(ngx.status)
end

-- Return whether the request was let in for *policy* before it came here by an internal redirect (X-Accel-Redirect,
-- try_files, error_page): its cookie is not there any more. The variable is of this request.
local function passed_before(policy)
  return request.is_internal() and var.headgate_session == policy
end

-- Return the session in *cookies* at *host*, nil if there is none.
local function read(known, cookies, host, openers)
  local purpose = known.purpose .. host
  local text, plain = opened(known.secure, purpose, openers), false
  if not text and not is_secure() then
    text, plain = opened(known.plain, purpose, openers), true
  end
  if not text then
    return nil
  end
  local first = find(text, "\n", 1, true)
  local second = find(text, "\n", first + 1, true)
  local third = find(text, "\n", second + 1, true)
  local token = sub(text, third + 1)
  return {
    host = host, ends = tonumber(sub(text, 1, first - 1)), refreshes = sub(text, first + 1, second - 1) == "r",
    user = sub(text, second + 1, third - 1), bearer = token ~= "" and "Bearer " .. token or nil,
    kept = without_sessions(cookies), plain = plain,
  }
end

-- Return whether *session*, which was opened before, is one for this request, too.
local function fits(session, host)
  return session and session.host == host and not (session.plain and is_secure())
end

-- Return the session in *cookies*: opened before, or now.
local function session_of(known, cookies, openers)
  local host = var.host
  local found = known.recent[cookies]
  if fits(found, host) then
    return found
  end
  found = known.older[cookies]
  if not fits(found, host) then
    found = read(known, cookies, host, openers)
  end
  if found then
    keep(known, cookies, found)
  end
  return found
end

-- Let the request pass if it has a session of *policy*; called by nginx in the access phase. *path* is where logins
-- begin and end; *bears*: the backend gets the access token.
function M.guard(policy, path, bears)
  sync()
  local openers = get("o", "session")
  if not openers then
    ngx.log(ngx.ERR, "no key of OpenID Connect sessions is known; requests are answered 503")
    return ngx.exit(503)
  end
  local known = names_of(policy)
  if known.openers ~= openers then
    forget(known, openers)
  end
  local cookies = cookies_of_request()
  local session = cookies and session_of(known, cookies, openers)
  if not session then
    return passed_before(policy) or refuse(policy, path, false)
  elseif session.ends <= time() then
    return refuse(policy, path, session.refreshes)
  end
  var.headgate_session = policy
  return pass(session, bears)
end

return M
