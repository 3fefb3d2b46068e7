-- Lets in requests with a JSON Web Token (RFC 7519) that a key of the location's guard verifies. The controller pushes
-- what a token must be, with the keys: "j:NAME". Locations have its name alone, so that keys change without a reload.
--
-- A verified token is remembered with the object that verified it, as long as that is the same: another version of the
-- keys, and another guard, verify it anew. Whether it is expired is looked at each time. Tokens that are refused are
-- not remembered, except the last one: they cannot fill the memory.
local decode_url = require("ngx.base64").decode_base64url
local encode_url = require("ngx.base64").encode_base64url
local json = require "headgate.json"
local signatures = require "headgate.signatures"
local state = require "headgate.state"

local find, gmatch, gsub = string.find, string.gmatch, string.gsub
local lower, match, sub = string.lower, string.match, string.sub
local ipairs, type = ipairs, type
local variables, now, re_find = ngx.var, ngx.time, ngx.re.find

local LONGEST = 16384 -- bytes of a token
local LONGEST_HEADER = 4096 -- bytes of its first part
local REMEMBERED = 512 * 1024 -- bytes of tokens, of each guard in each worker, twice
local LATEST = 2 ^ 53 -- a number beyond is no time
local MOST_TRIES = 8 -- keys for a token that does not name one
local UNABLE, UNKNOWN = 500, 401
local JOINS_LINES = ngx.config.nginx_version >= 1023000 -- $http_x has all lines of a header

local M = {}

-- Return how often *name* is given in *text*, where pairs are separated by a character of *ends*; nginx ignores case.
local function occurrences(text, name, ends)
  local count = 0
  for pair in gmatch(text, "[^" .. ends .. "]+") do
    local key = match(pair, "^[ \t]*([^=]*)=")
    if key and lower(gsub(key, "[ \t]+$", "")) == name then
      count = count + 1
    end
  end
  return count
end

local function one_of(variable, whole, name, ends)
  local folded = lower(name)
  return function()
    local value = variables[variable]
    if not value or value == "" then
      return nil
    elseif occurrences(variables[whole] or "", folded, ends) ~= 1 then
      return nil, "there are several"
    end
    return value
  end
end

local function of_header(name)
  return function()
    local value = variables["http_" .. name]
    if not value or value == "" then
      return nil
    elseif not JOINS_LINES and type(ngx.req.get_headers(0)[gsub(name, "_", "-")]) == "table" then
      return nil, "there are several"
    end
    return value
  end
end

local function of_authorization()
  local value = variables.http_authorization
  local scheme, token = match(value or "", "^(%a+) +([^ ]+) *$")
  if scheme and lower(scheme) == "bearer" then
    return token
  end
  return nil, value and value ~= "" and "Authorization has another form than Bearer and a token" or nil
end

local SOURCES = {
  authorization = function() return of_authorization end,
  http = of_header,
  arg = function(name) return one_of("arg_" .. name, "args", name, "&") end,
  cookie = function(name) return one_of("cookie_" .. name, "http_cookie", name, ";,") end,
}

-- The variables whose value is the token alone, or with the scheme, so that equal values are the same token.
local WHOLE = {
  authorization = function() return "http_authorization" end,
  http = function(name) return JOINS_LINES and "http_" .. name or nil end,
}

local function is_key(key)
  return type(key) == "table" and type(key.key) == "string" and type(key.algorithms) == "table"
end

local function is_guard(value)
  if type(value.realm) ~= "string" or not SOURCES[value.source or "authorization"] then
    return false
  end
  for _, key in ipairs(value.keys or {}) do
    if not is_key(key) then
      return false
    end
  end
  return true
end

local function set_of(values)
  local found
  for _, value in ipairs(values or {}) do
    found = found or {}
    found[value] = true
  end
  return found
end

state.decode("j", function(_, value)
  local guard = {
    read = SOURCES[value.source or "authorization"](value.name or ""), keys = {}, issuer = value.issuer,
    audience = set_of(value.audience), leeway = value.leeway or 0, login = value.login_url,
    whole = WHOLE[value.source or "authorization"] and WHOLE[value.source or "authorization"](value.name),
    challenge = 'Bearer realm="' .. value.realm .. '"', young = {}, old = {}, texts = {}, size = 0,
  }
  for _, each in ipairs(value.keys or {}) do
    local key = signatures.key(each.key, each.algorithms)
    if key then
      key.id = each.id
      guard.keys[#guard.keys + 1] = key
    end
  end
  return guard
end, is_guard)

-- Return the bytes that *text* encodes; nil unless it is their only encoding (RFC 7515 §2).
local function decoded(text)
  if not find(text, "^[%w_-]+$") then
    return nil
  end
  local bytes = decode_url(text)
  return bytes and encode_url(bytes) == text and bytes or nil
end

-- Return the object of JSON, in UTF-8, that *text* encodes; nil if it is anything else.
local function object_of(text)
  local bytes = decoded(text)
  local _, _, fault = re_find(bytes or "", "^", "uo")
  return bytes and not fault and json.object(bytes) or nil
end

-- Return whether a key of *guard* verifies *signature*: one with the id that the token names, or without any.
local function is_signed(guard, header, text, signature)
  local algorithm, id, tries = header.alg, header.kid, 0
  for _, key in ipairs(guard.keys) do
    if key.algorithms[algorithm] and (id == nil or key.id == nil or key.id == id) then
      tries = tries + 1
      if tries > MOST_TRIES then
        return false
      elseif signatures.verifies(key, algorithm, text, signature) then
        return true
      end
    end
  end
  return false
end

local function is_time(value)
  return value == nil or type(value) == "number" and value >= -LATEST and value <= LATEST
end

local function is_for(claim, audience)
  if type(claim) == "string" then
    return audience[claim]
  end
  for _, each in ipairs(json.is_array(claim) and claim or {}) do
    if type(each) == "string" and audience[each] then
      return true
    end
  end
  return false
end

local function claims_fault(guard, claims)
  if not is_time(claims.exp) or not is_time(claims.nbf) then
    return "exp or nbf is not a number"
  elseif guard.issuer and claims.iss ~= guard.issuer then
    return "iss is another one"
  elseif guard.audience and not is_for(claims.aud, guard.audience) then
    return "aud is another one"
  end
end

local function header_fault(header)
  if type(header.alg) ~= "string" or not signatures.known(header.alg) then
    return "alg is not supported"
  elseif header.crit ~= nil or header.b64 ~= nil or header.zip ~= nil or header.enc ~= nil then
    return "it has extensions that are not supported"
  elseif header.kid ~= nil and type(header.kid) ~= "string" then
    return "kid is not text"
  end
end

-- Return the header and the claims of *token*, if *guard* lets it in at its time; nil and the reason if never.
local function inspect(guard, token)
  local first, second, third = match(token, "^([^.]+)%.([^.]+)%.([^.]+)$")
  if not first or #first > LONGEST_HEADER then
    return nil, "it is not made of three parts"
  end
  local header = object_of(first)
  local fault = not header and "its header is not an object of JSON" or header_fault(header)
  if fault then
    return nil, fault
  end
  local signature = decoded(third)
  if not signature or not is_signed(guard, header, sub(token, 1, #first + 1 + #second), signature) then
    return nil, "no key verifies its signature"
  end
  local claims = object_of(second)
  fault = not claims and "its claims are not an object of JSON" or claims_fault(guard, claims)
  if fault then
    return nil, fault
  end
  return { header = header, claims = claims, from = claims.nbf, to = claims.exp }
end

-- Remember *found* for *text*, a token ("young") or a text that has one ("texts"): the same text may be both, and only
-- one of them lets a request in.
local function remember(guard, kind, text, found)
  guard.size = guard.size + #text
  if guard.size > REMEMBERED then
    guard.old, guard.young, guard.texts, guard.size = guard.young, {}, {}, #text
  end
  guard[kind][text] = found
end

-- Return the same from memory, where that is possible.
local function known(guard, token)
  local found = guard.young[token]
  if found then
    return found
  end
  found = guard.old[token]
  local fault
  if not found then
    if token == guard.refused then
      return nil, guard.reason
    end
    found, fault = inspect(guard, token)
  end
  if found then
    remember(guard, "young", token, found)
  else
    guard.refused, guard.reason = token, fault
  end
  return found, fault
end

-- Return *found* if it is its time; nil and the reason if not.
local function in_time(guard, found)
  if found.to and now() >= found.to + guard.leeway then
    return nil, "it is expired"
  elseif found.from and now() < found.from - guard.leeway then
    return nil, "it is not valid yet"
  end
  return found
end

-- Return the header and claims of *token* if *guard* lets it in now; nil and the reason if not.
local function verdict(guard, token)
  if #token > LONGEST then
    return nil, "it is too long"
  end
  local found, fault = known(guard, token)
  if not found then
    return nil, fault
  end
  return in_time(guard, found)
end
M.verdict = verdict

-- Return the header and claims of the request's token if *guard* lets it in; nil and the reason, if there is a token.
-- What was let in before is found by the text that has the token, unless there may be several tokens.
local function admitted(guard)
  local text = guard.whole and variables[guard.whole]
  local found = text and guard.texts[text]
  if found then
    return in_time(guard, found)
  end
  local token, fault = guard.read()
  if not token then
    return nil, fault
  end
  found, fault = verdict(guard, token)
  if found and text then
    remember(guard, "texts", text, found)
  end
  return found, fault
end

local function guard_of(name)
  state.sync()
  local guard = state.get("j", name)
  return guard and guard.keys[1] and guard
end

-- Return "valid" if the guard *name* lets in the request by its token; nil if not.
function M.check(name)
  local guard = guard_of(name)
  return guard and admitted(guard) and "valid" or nil
end

-- End the request, which has no token that the guard *name* lets in.
function M.refuse(name)
  local guard = guard_of(name)
  if not guard then
    ngx.log(ngx.ERR, "no key for tokens: ", name)
    return ngx.exit(UNABLE)
  end
  local _, fault = admitted(guard)
  if fault then
    ngx.log(ngx.INFO, "token refused: ", fault)
  end
  if guard.login then
    return ngx.redirect(guard.login, 302)
  end
  ngx.header["WWW-Authenticate"] = fault and guard.challenge .. ', error="invalid_token"' or guard.challenge
  return ngx.exit(UNKNOWN)
end

-- End the request unless it has a token that the guard *name* lets in.
function M.admit(name)
  if M.check(name) ~= "valid" then
    return M.refuse(name)
  end
end

-- Return the text of a member of the claims, or of the header (*part*), of the request's token; empty unless the guard
-- *name* lets that in. Further arguments are the names of nested members.
function M.claim(name, part, ...)
  local guard = guard_of(name)
  local value = guard and admitted(guard)
  value = value and value[part]
  for i = 1, select("#", ...) do
    if type(value) ~= "table" or value == json.null or json.is_array(value) then
      return ""
    end
    value = value[select(i, ...)]
  end
  return value ~= nil and json.text(value) or ""
end

return M
