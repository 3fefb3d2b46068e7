-- Finds the gRPC status in a block of header fields of HTTP/2 (RFC 7541). The block must not refer to earlier ones: the
-- client announced a table of size 0.
local byte, sub, match, tonumber = string.byte, string.sub, string.match, tonumber
local band, lshift, rshift = bit.band, bit.lshift, bit.rshift

local NAME = "grpc-status"
local PACKED = "\x9a\xca\xc8\xb2\x12\x34\xda\x8f" -- the same in the Huffman code (appendix B)
local DIGITS = { -- of the Huffman code: bits, then how many
  [0] = { 0x00, 5 }, { 0x01, 5 }, { 0x02, 5 }, { 0x19, 6 }, { 0x1a, 6 }, { 0x1b, 6 }, { 0x1c, 6 }, { 0x1d, 6 },
  { 0x1e, 6 }, { 0x1f, 6 },
}

-- Return the number that begins at *at* with the lowest *bits* of that byte, and where it ends; nil if it has no end.
local function number_at(block, at, bits)
  local most = lshift(1, bits) - 1
  local value = band(byte(block, at) or 0, most)
  if value < most then
    return value, at + 1
  end
  for place = 0, 21, 7 do
    at = at + 1
    local found = byte(block, at)
    if not found then
      return nil
    end
    value = value + lshift(band(found, 127), place)
    if found < 128 then
      return value, at + 1
    end
  end
end

-- Return the text at *at*, whether it is in the Huffman code, and where it ends.
local function text_at(block, at)
  local packed = (byte(block, at) or 0) >= 128
  local length, first = number_at(block, at, 7)
  if not length or first + length - 1 > #block then
    return nil
  end
  return sub(block, first, first + length - 1), packed, first + length
end

local function digit_at(value, at)
  for digit = 0, 9 do
    local code, size = DIGITS[digit][1], DIGITS[digit][2]
    local found = 0
    for i = at, at + size - 1 do
      local whole = byte(value, rshift(i, 3) + 1)
      found = found * 2 + (whole and band(rshift(whole, 7 - band(i, 7)), 1) or 1)
    end
    if found == code and at + size <= #value * 8 then
      return digit, at + size
    end
  end
end

local function unpacked(value)
  local number, at = nil, 0
  while true do
    local digit, after = digit_at(value, at)
    if not digit then
      return number
    end
    number, at = (number or 0) * 10 + digit, after
  end
end

-- Return the gRPC status in *block*, nil if there is none.
return function(block)
  local at = 1
  while at <= #block do
    local first = byte(block, at)
    if first >= 128 or first >= 32 and first < 64 then -- of the static table, or the size of the other one
      local value
      value, at = number_at(block, at, first >= 128 and 7 or 5)
      if not value then
        return nil
      end
    else
      local index, name, packed, value
      index, at = number_at(block, at, first >= 64 and 6 or 4)
      if index == 0 then
        name, packed, at = text_at(block, at)
      end
      if not at then
        return nil
      end
      local is_status = index == 0 and name == (packed and PACKED or NAME)
      value, packed, at = text_at(block, at)
      if not value then
        return nil
      elseif is_status then
        return packed and unpacked(value) or tonumber(match(value, "^%d+$"))
      end
    end
  end
end
