-- TLS as a client, over a connection of Lua: with an authority, a client certificate, ciphers and a protocol (ALPN) of
-- its own, which `sslhandshake` does not have: what that verifies against is the same for all of nginx. It uses the
-- OpenSSL that nginx has loaded; records go through buffers in memory.
local ffi = require "ffi"

local C, new, gc, text_of = ffi.C, ffi.new, ffi.gc, ffi.string
local ipairs, pairs, tonumber, char, sub = ipairs, pairs, tonumber, string.char, string.sub

local SIZE = 16384
local CERTIFICATES = 1 -- SSL_FILETYPE_PEM
local VERIFY_PEER = 1
local HOSTNAME, MIN_VERSION = 55, 123 -- commands of SSL_ctrl and SSL_CTX_ctrl
local WANT_READ, ZERO_RETURN = 2, 6 -- of SSL_get_error
local OK = 0 -- X509_V_OK
local WITHOUT = { -- SSL_OP_NO_…
  ["TLSv1"] = 0x04000000, ["TLSv1.1"] = 0x10000000, ["TLSv1.2"] = 0x08000000, ["TLSv1.3"] = 0x20000000,
}

ffi.cdef [[
  void *headgate_method(void) __asm__("TLS_client_method");
  void *headgate_ctx_new(const void *method) __asm__("SSL_CTX_new");
  void headgate_ctx_free(void *ctx) __asm__("SSL_CTX_free");
  int headgate_ctx_authority(void *ctx, const char *file, const char *folder) __asm__("SSL_CTX_load_verify_locations");
  void headgate_ctx_verify(void *ctx, int mode, void *callback) __asm__("SSL_CTX_set_verify");
  void headgate_ctx_depth(void *ctx, int depth) __asm__("SSL_CTX_set_verify_depth");
  int headgate_ctx_chain(void *ctx, const char *file) __asm__("SSL_CTX_use_certificate_chain_file");
  int headgate_ctx_key(void *ctx, const char *file, int type) __asm__("SSL_CTX_use_PrivateKey_file");
  int headgate_ctx_ciphers(void *ctx, const char *ciphers) __asm__("SSL_CTX_set_cipher_list");
  uint64_t headgate_ctx_options(void *ctx, uint64_t options) __asm__("SSL_CTX_set_options");
  long headgate_ctx_ctrl(void *ctx, int command, long number, void *pointer) __asm__("SSL_CTX_ctrl");
  int headgate_ctx_alpn(void *ctx, const char *protocols, unsigned int length) __asm__("SSL_CTX_set_alpn_protos");
  void *headgate_ssl_new(void *ctx) __asm__("SSL_new");
  void headgate_ssl_free(void *ssl) __asm__("SSL_free");
  void headgate_ssl_bio(void *ssl, void *read, void *write) __asm__("SSL_set_bio");
  void headgate_ssl_connect(void *ssl) __asm__("SSL_set_connect_state");
  int headgate_ssl_handshake(void *ssl) __asm__("SSL_do_handshake");
  int headgate_ssl_read(void *ssl, char *buffer, int size) __asm__("SSL_read");
  int headgate_ssl_write(void *ssl, const char *text, int size) __asm__("SSL_write");
  int headgate_ssl_error(const void *ssl, int result) __asm__("SSL_get_error");
  long headgate_ssl_ctrl(void *ssl, int command, long number, const char *name) __asm__("SSL_ctrl");
  int headgate_ssl_host(void *ssl, const char *name) __asm__("SSL_set1_host");
  long headgate_ssl_result(const void *ssl) __asm__("SSL_get_verify_result");
  const char *headgate_verdict(long result) __asm__("X509_verify_cert_error_string");
  const void *headgate_memory(void) __asm__("BIO_s_mem");
  void *headgate_bio_new(const void *method) __asm__("BIO_new");
  int headgate_bio_read(void *bio, char *buffer, int size) __asm__("BIO_read");
  int headgate_bio_write(void *bio, const char *text, int size) __asm__("BIO_write");
  void headgate_errors_clear(void) __asm__("ERR_clear_error");
  unsigned long headgate_errors_last(void) __asm__("ERR_peek_last_error");
  void headgate_errors_text(unsigned long code, char *buffer, size_t size) __asm__("ERR_error_string_n");
]]

local buffer = new("char[?]", SIZE)

local M = {}
local Connection = {}
Connection.__index = Connection

local function reason(otherwise)
  local code = C.headgate_errors_last()
  if code == 0 then
    return otherwise
  end
  C.headgate_errors_text(code, buffer, SIZE)
  C.headgate_errors_clear()
  return "TLS: " .. (text_of(buffer):match("([^:]+)$") or otherwise)
end

local function settings_fault(context, wanted)
  if wanted.ca and C.headgate_ctx_authority(context, wanted.ca, nil) ~= 1 then
    return "the certificates of the authority cannot be read"
  elseif wanted.certificate and (C.headgate_ctx_chain(context, wanted.certificate) ~= 1
    or C.headgate_ctx_key(context, wanted.certificate, CERTIFICATES) ~= 1) then
    return "the certificate for the server cannot be read"
  elseif wanted.ciphers and C.headgate_ctx_ciphers(context, wanted.ciphers) ~= 1 then
    return "there are no such ciphers"
  end
end

local function limit_protocols(context, protocols)
  C.headgate_ctx_ctrl(context, MIN_VERSION, 0, nil) -- as nginx: not what the distribution has
  local allowed = {}
  for _, name in ipairs(protocols) do
    allowed[name] = true
  end
  for name, option in pairs(WITHOUT) do
    if not allowed[name] then
      C.headgate_ctx_options(context, option)
    end
  end
end

-- Return what connections have in common that are *wanted*; nil and the reason if that is not possible. Fields:
-- `verify` against the file `ca` to `depth`, for `name`; the file `certificate` with a key; `protocols`, `ciphers`;
-- whether `name` is sent (`send_name`); the protocol that is offered (`alpn`).
function M.context(wanted)
  C.headgate_errors_clear()
  local context = gc(C.headgate_ctx_new(C.headgate_method()), C.headgate_ctx_free)
  local fault = settings_fault(context, wanted)
  if fault then
    C.headgate_errors_clear()
    return nil, fault
  end
  if wanted.protocols then
    limit_protocols(context, wanted.protocols)
  end
  if wanted.verify then
    C.headgate_ctx_verify(context, VERIFY_PEER, nil)
    C.headgate_ctx_depth(context, wanted.depth)
  end
  if wanted.alpn then
    C.headgate_ctx_alpn(context, char(#wanted.alpn) .. wanted.alpn, #wanted.alpn + 1)
  end
  return { context = context, wanted = wanted }
end

-- Send what TLS has to send.
local function flush(self)
  while true do
    local count = C.headgate_bio_read(self.out, buffer, SIZE)
    if count <= 0 then
      return true
    end
    local ok, fault = self.socket:send(text_of(buffer, count))
    if not ok then
      return nil, fault
    end
  end
end

-- Take what the server sent.
local function fill(self)
  local text, fault = self.socket:receiveany(SIZE)
  if not text then
    return nil, fault
  end
  C.headgate_bio_write(self.into, text, #text)
  return true
end

-- Call *step* until it has a positive result, and return that; nil and the reason if it cannot.
local function drive(self, step)
  while true do
    C.headgate_errors_clear()
    local result = step(self.ssl)
    local what = result > 0 or C.headgate_ssl_error(self.ssl, result)
    local ok, fault = flush(self)
    if result > 0 then
      return result
    elseif not ok then
      return nil, fault
    elseif what == ZERO_RETURN then
      return nil, "closed"
    elseif what ~= WANT_READ then
      return nil, reason("TLS failed")
    end
    ok, fault = fill(self)
    if not ok then
      return nil, fault
    end
  end
end

local function prepared(shared, socket)
  local wanted = shared.wanted
  local ssl = gc(C.headgate_ssl_new(shared.context), C.headgate_ssl_free)
  local into, out = C.headgate_bio_new(C.headgate_memory()), C.headgate_bio_new(C.headgate_memory())
  C.headgate_ssl_bio(ssl, into, out) -- it frees them
  C.headgate_ssl_connect(ssl)
  if wanted.send_name then
    C.headgate_ssl_ctrl(ssl, HOSTNAME, 0, wanted.name)
  end
  if wanted.verify then
    C.headgate_ssl_host(ssl, wanted.name)
  end
  return setmetatable({ socket = socket, ssl = ssl, into = into, out = out, rest = "" }, Connection)
end

-- Begin TLS on *socket*; return a connection with the same methods, nil and the reason if the server does not pass.
function M.connect(shared, socket)
  local self = prepared(shared, socket)
  local ok, fault = drive(self, C.headgate_ssl_handshake)
  local result = tonumber(C.headgate_ssl_result(self.ssl))
  if shared.wanted.verify and result ~= OK then
    ok, fault = nil, "its certificate is not accepted: " .. text_of(C.headgate_verdict(result))
  end
  if not ok then
    self:free()
    return nil, fault
  end
  return self
end

function Connection.send(self, text)
  return drive(self, function(ssl) return C.headgate_ssl_write(ssl, text, #text) end)
end

-- Return what is there, at least one byte.
function Connection.receiveany(self)
  local text
  local count, fault = drive(self, function(ssl)
    local size = C.headgate_ssl_read(ssl, buffer, SIZE)
    text = size > 0 and text_of(buffer, size) -- at once: there is one buffer for all
    return size
  end)
  return count and text, fault
end

-- Return *size* bytes.
function Connection.receive(self, size)
  while #self.rest < size do
    local text, fault = self:receiveany()
    if not text then
      return nil, fault
    end
    self.rest = self.rest .. text
  end
  local text = sub(self.rest, 1, size)
  self.rest = sub(self.rest, size + 1)
  return text
end

-- Free the memory at once: the garbage collector does not know how much it is.
function Connection.free(self)
  if self.ssl then
    C.headgate_ssl_free(gc(self.ssl, nil))
    self.ssl = nil
  end
end

function Connection.close(self)
  self:free()
  return self.socket:close()
end

return M
