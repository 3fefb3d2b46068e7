-- One health check: a connection of its own to one server, a request, and what the server answers.
local grpc = require "headgate.grpc"
local tls = require "headgate.tls"

local find, match, tonumber, now = string.find, string.match, tonumber, ngx.now

local RENEWED_S = 10
local LIMIT = 4096 -- bytes of an answer in which its first line must end; the rest is not read

-- Return a connection by TLS as the check wants it. Files are read again after a while: certificates are renewed.
local function secured(socket, check)
  local time = now()
  if not check.context or time - check.context_at > RENEWED_S then
    local context, fault = tls.context(check.secure)
    if not context then
      return nil, fault
    end
    check.context, check.context_at = context, time
  end
  return tls.connect(check.context, socket)
end

local function connected(socket, check, server)
  local ok, fault
  if server.p then
    ok, fault = socket:connect(server.a, check.port or server.p)
  else
    ok, fault = socket:connect(server.a)
  end
  if ok and check.secure then
    return secured(socket, check)
  elseif ok and check.tls then
    -- As nginx without proxy_ssl_verify and proxy_ssl_server_name: any certificate, no name.
    ok, fault = socket:sslhandshake(nil, nil, false)
  end
  return ok and socket, fault
end

-- Return the status of the answer, nil and why not; not later than *deadline* plus one timeout.
local function status_of(socket, deadline)
  local text = ""
  repeat
    local piece, fault = socket:receiveany(LIMIT)
    if not piece then
      return nil, fault == "closed" and "connection closed without an answer" or fault
    end
    text = text .. piece
    if find(text, "\n", 1, true) then
      local status = match(text, "^HTTP/%d%.%d (%d%d%d)[ \r\n]")
      return tonumber(status), "the answer is not HTTP"
    end
  until #text > LIMIT or now() > deadline
  return nil, "the answer is not HTTP"
end

-- Return whether the server sent what the check of TCP expects, and what it sent.
local function data_of(check, socket, deadline)
  if not check.expects then
    return true, "connected"
  end
  local text = ""
  repeat
    local piece, fault = socket:receiveany(LIMIT)
    if not piece then
      return nil, text == "" and fault or "other data than expected"
    end
    text = text .. piece
    if check.expects(text) then
      return true, "the data that is expected"
    end
  until #text > LIMIT or now() > deadline
  return nil, "other data than expected"
end

local function answer_of(check, socket)
  local deadline = now() + check.read
  if check.tcp then
    return data_of(check, socket, deadline)
  end
  if check.grpc then
    return grpc.answer(socket, deadline, check.grpc_status)
  end
  local status, fault = status_of(socket, deadline)
  if not status then
    return nil, fault
  end
  return check.accepts(status), "status " .. status
end

-- Check *server*; return whether it is well, and what it answered or why it did not.
return function(check, server)
  local socket = ngx.socket.tcp()
  socket:settimeouts(check.connect * 1000, check.send * 1000, check.read * 1000)
  local connection, fault = connected(socket, check, server)
  local ok = connection
  if ok and check.request ~= "" then
    ok, fault = connection:send(check.request)
  end
  local passed, answer
  if ok then
    passed, answer = answer_of(check, connection)
  end
  local used = connection or socket
  used:close()
  return passed == true, answer or fault
end
