-- Checks signatures (RFC 7518 §3, RFC 8037) by the libcrypto that nginx has loaded. The length of a signature is
-- exact, and a key is used with its own algorithms only.
local ffi = require "ffi"

local C, new, gc, cast = ffi.C, ffi.new, ffi.gc, ffi.cast
local byte, char, find, sub = string.byte, string.char, string.find, string.sub
local decode = ngx.decode_base64

ffi.cdef [[
  void *headgate_jwt_read(void **key, const unsigned char **text, long size) __asm__("d2i_PUBKEY");
  void headgate_jwt_free(void *key) __asm__("EVP_PKEY_free");
  void *headgate_jwt_context(void) __asm__("EVP_MD_CTX_new");
  void headgate_jwt_context_free(void *context) __asm__("EVP_MD_CTX_free");
  int headgate_jwt_context_reset(void *context) __asm__("EVP_MD_CTX_reset");
  const void *headgate_jwt_sha256(void) __asm__("EVP_sha256");
  const void *headgate_jwt_sha384(void) __asm__("EVP_sha384");
  const void *headgate_jwt_sha512(void) __asm__("EVP_sha512");
  int headgate_jwt_begin(void *context, void **settings, const void *hash, void *engine, void *key)
    __asm__("EVP_DigestVerifyInit");
  int headgate_jwt_set(void *settings, const char *name, const char *value) __asm__("EVP_PKEY_CTX_ctrl_str");
  int headgate_jwt_verify(void *context, const char *signature, size_t size, const char *text, size_t length)
    __asm__("EVP_DigestVerify");
  unsigned char *headgate_jwt_hmac(const void *hash, const char *key, int size, const char *text, size_t length,
    unsigned char *result, unsigned int *count) __asm__("HMAC");
  int headgate_jwt_compare(const void *one, const void *other, size_t size) __asm__("CRYPTO_memcmp");
  void headgate_jwt_clear(void) __asm__("ERR_clear_error");
]]

local M = {}
local context, hashes
local settings, result, count = new("void *[1]"), new("unsigned char[64]"), new("unsigned int[1]")
local text_at = new("const unsigned char *[1]")

-- By algorithm: the hash, and for ECDSA the bytes of a number, for HMAC those of the result.
local KINDS = {
  RS256 = { "RSA", 256 }, RS384 = { "RSA", 384 }, RS512 = { "RSA", 512 },
  PS256 = { "PSS", 256 }, PS384 = { "PSS", 384 }, PS512 = { "PSS", 512 },
  ES256 = { "EC", 256, 32 }, ES384 = { "EC", 384, 48 }, ES512 = { "EC", 512, 66 },
  EdDSA = { "Ed" },
  HS256 = { "HMAC", 256, 32 }, HS384 = { "HMAC", 384, 48 }, HS512 = { "HMAC", 512, 64 },
}

-- Find what libcrypto has: once, when a key is first needed. An error here is one of this nginx.
local function open()
  context = gc(C.headgate_jwt_context(), C.headgate_jwt_context_free)
  hashes = { [256] = C.headgate_jwt_sha256(), [384] = C.headgate_jwt_sha384(), [512] = C.headgate_jwt_sha512() }
end

-- Return a key as it was pushed for use with its *algorithms*; nil if libcrypto does not read it.
function M.key(text, algorithms)
  if not context then
    open()
  end
  local data = decode(text)
  if not data or data == "" then
    return nil
  end
  local key = { algorithms = {} }
  for _, name in ipairs(algorithms) do
    local kind = KINDS[name]
    if not kind or key.kind and (kind[1] == "HMAC") ~= (key.kind == "HMAC") then
      return nil
    end
    key.kind, key.algorithms[name] = kind[1], true
  end
  if key.kind == "HMAC" then
    key.secret = data
    return key
  end
  text_at[0] = cast("const unsigned char *", data)
  local public = C.headgate_jwt_read(nil, text_at, #data)
  C.headgate_jwt_clear()
  if public == nil then
    return nil
  end
  key.public = gc(public, C.headgate_jwt_free)
  return key
end

-- Return a number of ECDSA as an INTEGER of DER.
local function integer(bytes)
  local first = find(bytes, "[^%z]") or #bytes
  bytes = sub(bytes, first)
  if byte(bytes) > 127 then
    bytes = "\0" .. bytes
  end
  return "\2" .. char(#bytes) .. bytes
end

-- Return the two numbers of *signature* as libcrypto reads them (RFC 7518 §3.4).
local function sequence(signature, size)
  local numbers = integer(sub(signature, 1, size)) .. integer(sub(signature, size + 1))
  local length = #numbers
  return (length > 127 and "\48\129" or "\48") .. char(length) .. numbers
end

local function same_hmac(key, kind, text, signature)
  local size = kind[3]
  if #signature ~= size then
    return false
  end
  local made = C.headgate_jwt_hmac(hashes[kind[2]], key.secret, #key.secret, text, #text, result, count)
  return made ~= nil and count[0] == size and C.headgate_jwt_compare(result, signature, size) == 0
end

local function public_verifies(key, kind, text, signature)
  local family = kind[1]
  if family == "EC" then
    if #signature ~= 2 * kind[3] then
      return false
    end
    signature = sequence(signature, kind[3])
  elseif family == "Ed" and #signature ~= 64 then
    return false
  end
  C.headgate_jwt_context_reset(context)
  if C.headgate_jwt_begin(context, settings, hashes[kind[2]], nil, key.public) ~= 1 then
    return false
  end
  if family == "PSS" and (C.headgate_jwt_set(settings[0], "rsa_padding_mode", "pss") <= 0
    or C.headgate_jwt_set(settings[0], "rsa_pss_saltlen", "digest") <= 0) then
    return false
  end
  return C.headgate_jwt_verify(context, signature, #signature, text, #text) == 1
end

-- Return whether *signature* is one of *text* by *key* with *algorithm*.
function M.verifies(key, algorithm, text, signature)
  if not key.algorithms[algorithm] then
    return false
  end
  local kind = KINDS[algorithm]
  if kind[1] == "HMAC" then
    return key.secret ~= nil and same_hmac(key, kind, text, signature)
  end
  local ok = key.public ~= nil and public_verifies(key, kind, text, signature)
  C.headgate_jwt_clear() -- or nginx reports it at the next TLS connection
  return ok
end

-- Return whether there is such an algorithm.
function M.known(algorithm)
  return KINDS[algorithm] ~= nil
end

return M
