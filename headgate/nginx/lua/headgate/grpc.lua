-- The gRPC health protocol (grpc.health.v1.Health/Check) over HTTP/2 (RFC 9113): one request on a connection of its
-- own. Of answers only the message and the gRPC status are read.
local status_of = require "headgate.hpack"

local byte, char, sub, lower = string.byte, string.char, string.sub, string.lower
local band, rshift, bor = bit.band, bit.rshift, bit.bor
local concat, now = table.concat, ngx.now

local DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY = 0, 1, 3, 4, 6, 7
local END_STREAM, ACK, END_HEADERS, PADDED, PRIORITY = 1, 1, 4, 8, 32
local LONGEST = 16384 -- of a frame, as no other limit is announced
local MOST = 64 -- frames of an answer
local SERVING = 1
local STATUS = { [0] = "UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN" }
local NOT_SENT = { host = true, connection = true } -- have no place in HTTP/2

local M = {}

local function number(value, bytes)
  local found = {}
  for i = bytes, 1, -1 do
    found[i] = char(band(value, 255))
    value = rshift(value, 8)
  end
  return concat(found)
end

local NO_TABLE = number(1, 2) .. number(0, 4) -- SETTINGS_HEADER_TABLE_SIZE: no header refers to an earlier one

local function frame(kind, flags, stream, payload)
  return number(#payload, 3) .. char(kind, flags) .. number(stream, 4) .. payload
end

-- Return *value* in groups of seven bits, the lowest first: as Protocol Buffers and header compression have it.
local function varint(value)
  local found = ""
  while value > 127 do
    found = found .. char(bor(band(value, 127), 128))
    value = rshift(value, 7)
  end
  return found .. char(value)
end

local function text(value)
  return (#value < 127 and char(#value) or char(127) .. varint(#value - 127)) .. value
end

local function field(name, value)
  return char(0) .. text(name) .. text(value)
end

-- Return what is sent to find out about *service*, "" for the whole server; *headers* are names and values. *secure*:
-- whether over TLS.
function M.request(service, authority, headers, secure)
  local fields = {
    char(0x83), char(secure and 0x87 or 0x86), -- :method POST, :scheme http or https
    field(":path", "/grpc.health.v1.Health/Check"), field(":authority", authority),
    field("content-type", "application/grpc"), field("te", "trailers"),
  }
  for _, header in ipairs(headers) do
    local name = lower(header[1])
    if not NOT_SENT[name] then
      fields[#fields + 1] = field(name, header[2])
    end
  end
  local message = service == "" and "" or char(0x0a) .. varint(#service) .. service
  return "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" .. frame(SETTINGS, 0, 0, NO_TABLE)
    .. frame(HEADERS, END_HEADERS, 1, concat(fields))
    .. frame(DATA, END_STREAM, 1, char(0) .. number(#message, 4) .. message)
end

local function receive_frame(socket)
  local head, fault = socket:receive(9)
  if not head then
    return nil, fault == "closed" and "connection closed without an answer" or fault
  end
  local first, second, third, kind, flags = byte(head, 1, 5)
  local length = first * 65536 + second * 256 + third
  if length > LONGEST then
    return nil, "the answer is not HTTP/2"
  end
  local payload = ""
  if length > 0 then
    payload, fault = socket:receive(length)
    if not payload then
      return nil, fault
    end
  end
  return { kind = kind, flags = flags, stream = band(byte(head, 9), 127), payload = payload }
end

local function unpadded(found)
  if band(found.flags, PADDED) == 0 then
    return found.payload
  end
  return sub(found.payload, 2, -1 - (byte(found.payload) or 0))
end

-- Return the status of a HealthCheckResponse in *body*, nil if it is not complete.
local function status_in(body)
  if #body < 5 then
    return nil
  end
  local length = byte(body, 4) * 256 + byte(body, 5)
  if #body < 5 + length then
    return nil
  end
  return byte(body, 6) == 0x08 and byte(body, 7) or 0
end

-- Answer what the connection needs; return false, and why, if it has ended.
local function attend(socket, found)
  local acknowledged = band(found.flags, ACK) ~= 0
  if found.kind == SETTINGS and not acknowledged then
    return socket:send(frame(SETTINGS, ACK, 0, ""))
  elseif found.kind == PING and not acknowledged then
    return socket:send(frame(PING, ACK, 0, found.payload))
  elseif found.kind == RST_STREAM or found.kind == GOAWAY then
    return false, "the server refused the request"
  end
  return true
end

-- Return the block of header fields in a frame, without padding and priority; "" if the frame has none.
local function fields_in(found)
  local block = unpadded(found)
  return band(found.flags, PRIORITY) == 0 and block or sub(block, 6)
end

-- Return whether the server passes by *found*, and what it said; nothing if the answer goes on.
local function serving_by(answer, found)
  if found.kind == DATA then
    answer.body = answer.body .. unpadded(found)
  end
  local status = status_in(answer.body)
  if status then
    return status == SERVING, "status " .. (STATUS[status] or status)
  end
end

-- The same where another gRPC status than 0 is *wanted*.
local function status_by(wanted, found)
  local status = found.kind == HEADERS and status_of(fields_in(found))
  if status then
    return status == wanted, "gRPC status " .. status
  end
end

-- Return whether the server passes, and what it said: that it is SERVING or, if another gRPC status than 0 is *wanted*,
-- that status; nil and the reason if there is no answer by *deadline*.
function M.answer(socket, deadline, wanted)
  local answer = { body = "" }
  for _ = 1, MOST do
    local found, fault = receive_frame(socket)
    local ok = found
    if found then
      ok, fault = attend(socket, found)
    end
    if not ok then
      return nil, fault
    end
    local is_ours = found.stream == 1 and (found.kind == DATA or found.kind == HEADERS)
    local passed, said
    if is_ours and wanted == 0 then
      passed, said = serving_by(answer, found)
    elseif is_ours then
      passed, said = status_by(wanted, found)
    end
    if said then
      return passed, said
    elseif is_ours and band(found.flags, END_STREAM) ~= 0 then
      return nil, "the server does not have the gRPC health protocol, or not for this service"
    elseif now() > deadline then
      break
    end
  end
  return nil, "no answer of the gRPC health protocol"
end

return M
