package cluster

import (
	"crypto/sha1"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/redis/rueidis"
)

// script is a Lua script, and the hash by which Redis knows it once it is loaded.
type script struct{ text, sha string }

func newScript(text string) *script {
	sum := sha1.Sum([]byte(text))
	return &script{text, hex.EncodeToString(sum[:])}
}

// atFormat is the Lua format of a partition's state (at, after the term): off, b, total,
// and the messages and bytes of the segment. atSize is its length in bytes.
const (
	atFormat = `'>I4I4I8I8I8'`
	atSize   = `32`
)

// publishText numbers and keeps what was proposed, and appends one entry to the bus.
//
// KEYS are g, bus, and then those of each operation. ARGV are: how many messages a channel
// keeps; for how many seconds they are kept; for how many seconds a number is kept; messages
// and bytes of a segment of the bus. Then come, for each operation, its letter, the channel's
// name, the content for the bus and the history, and the rest that its letter needs:
//
//	p  publish; m, h                     k  publish with a key; m, h, k; seconds of the key
//	n  join notice                       b  broadcast; hb
//	c  close; m, h, l                    x  clear; m, h
//	s  sign; m, l; milliseconds
//
// The answer is the new b, off and total, and then life<<32 | number for each operation: the
// number of its message; for x and s the next number. It is negative if the key was known.
var publishText = `
local call, pack, floor = redis.call, struct.pack, math.floor
local at = call('HGET', KEYS[1], 'at')
if not at or string.sub(at, 1, #TERM) ~= TERM then return redis.error_reply('STALE') end
local off, b, total, sm, sb = struct.unpack(` + atFormat + `, at, #TERM + 1)
local b0, keep, ttl = b, 3 * tonumber(ARGV[1]), ARGV[2]
local most, life = keep + 3 * floor(keep / 12) + 3, 4294967296
local out, o, items, res, k, i = {}, 0, 0, {}, 3, 6
local function put(letter, r, name, blob)
  local high = floor(r / life)
  out[o + 1] = letter .. pack('>I4I4BI4', high, r - high * life, #name, #blob)
  out[o + 2] = name
  out[o + 3] = blob
  o = o + 3
  items = items + 1
end
local function publish(name, blob)
  local r = call('INCR', KEYS[k])
  call('EXPIRE', KEYS[k], ARGV[3])
  if keep > 0 then
    if call('RPUSH', KEYS[k + 1], r, b .. ':' .. off, blob) > most then
      call('LTRIM', KEYS[k + 1], -keep, -1)
    end
    call('EXPIRE', KEYS[k + 1], ttl)
  end
  put('d', r, name, blob)
  return r + b + off
end
local function mark(r)
  call('DEL', KEYS[k + 1])
  call('RPUSH', KEYS[k + 1], r, b .. ':' .. off .. ':x', '')
  call('EXPIRE', KEYS[k + 1], ttl)
end
while ARGV[i] do
  local op, name, blob, v = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  i = i + 3
  if op == 'p' then
    v = publish(name, blob)
    k = k + 2
  elseif op == 'k' then
    local was = call('GET', KEYS[k + 2])
    if was then
      v = -tonumber(was)
    else
      v = publish(name, blob)
      call('SET', KEYS[k + 2], v, 'EX', ARGV[i])
    end
    k, i = k + 3, i + 1
  elseif op == 'n' then
    v = 0
    put('n', 0, name, blob)
  elseif op == 'b' then
    b = b + 1
    v = b
    put('b', b, '', blob)
    if keep > 0 then
      if call('RPUSH', KEYS[k], b, off, blob) > most then call('LTRIM', KEYS[k], -keep, -1) end
      call('EXPIRE', KEYS[k], ttl)
    end
    k = k + 1
  elseif op == 'c' then
    local r = call('INCRBY', KEYS[k], '4294967297')
    call('EXPIRE', KEYS[k], ARGV[3])
    call('DEL', KEYS[k + 2])
    mark(r)
    put('c', r, name, blob)
    v = r - life + b + off
    k = k + 3
  elseif op == 'x' then
    local r = tonumber(call('GET', KEYS[k]) or '0')
    mark(r)
    put('x', r, name, blob)
    v = r + b + off + 1
    k = k + 2
  else
    call('SET', KEYS[k + 1], '1', 'PX', ARGV[i])
    v = tonumber(call('GET', KEYS[k]) or '0') + b + off + 1
    k, i = k + 2, i + 1
  end
  res[#res + 1] = v
end
if items > 0 then
  local e = pack('>BI4I4I4I8I4', 1, tonumber(GEN), off, b0, total, items) .. table.concat(out)
  total = total + items
  sm, sb = sm + items, sb + #e
  local id = call('XADD', KEYS[2], '*', 'e', e)
  if sm >= tonumber(ARGV[4]) or sb >= tonumber(ARGV[5]) then
    local segments = {}
    for s in string.gmatch(call('HGET', KEYS[1], 'segments') or '', '%S+') do segments[#segments + 1] = s end
    segments[#segments + 1] = id
    if #segments > ` + strconv.Itoa(busSegments) + ` then call('XTRIM', KEYS[2], 'MINID', table.remove(segments, 1)) end
    call('HSET', KEYS[1], 'segments', table.concat(segments, ' '))
    sm, sb = 0, 0
  end
  call('HSET', KEYS[1], 'at', TERM .. pack(` + atFormat + `, off, b, total, sm, sb))
end
return {b, off, total, unpack(res)}
`

// newTermScript makes a script for one run of a master in one generation. Its text contains
// TERM and GEN, so no other master has loaded it.
func newTermScript(run string, gen uint32, text string) *script {
	return newScript("local TERM, GEN = '" + run + unsigned(gen) + " ', '" + unsigned(gen) + "'" + text)
}

// fenceScript returns the state of a partition, and which run of which master has it. If the
// partition was in the hands of another run, or this node knows of more messages than are
// there, the script first raises the generation and all numbers: by 65,536, and by as much as
// is known to be lost.
//
// What another master has raised may be lost with it before all nodes have read of it. So that
// two masters cannot be taken for one, a generation ends in random bits, and numbers rise by a
// random amount, too, so that the few numbers of the one are hardly ever among those of the
// other. A node that knows numbers of another master that are as high raises all numbers again.
//
// KEYS are g and bus. ARGV are gen, off, b, total and seed as this node knows them (0, or an
// empty seed, if unknown), a new seed, the number of partitions, generationBits, and by how
// much more numbers rise.
//
// The answer is run, gen, off, b, total, seed, the ids of the last jump and of the last entry on
// the bus; or only the number of partitions, if it is another.
var fenceScript = newScript(`
local call, max = redis.call, math.max
local info = call('INFO', 'server', 'replication')
if not string.find(info, 'role:master', 1, true) then return redis.error_reply('READONLY not a master') end
local run = string.match(info, 'run_id:(%w+)') .. string.match(info, 'master_replid:(%w+)')
local g = call('HMGET', KEYS[1], 'run', 'gen', 'at', 'seed', 'parts', 'jump')
if g[5] and g[5] ~= ARGV[7] then return {g[5]} end
local gen, off, b, total = tonumber(g[2] or 0), 0, 0, 0
if g[3] then off, b, total = struct.unpack(` + atFormat + `, string.sub(g[3], -` + atSize + `)) end
local kgen, koff, kb, ktotal = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local seed, jump = g[4], g[6]
if g[1] ~= run or gen < kgen or off < koff then
  local was = total
  if gen > 0 or kgen > 0 then off = max(off, koff) + 65536 + tonumber(ARGV[9]) + max(0, ktotal - total) end
  if gen < kgen and ARGV[5] ~= '' or not seed then seed = ARGV[5] ~= '' and ARGV[5] or ARGV[6] end
  gen = (math.floor(max(gen, kgen) / 4096) + 1) * 4096 + tonumber(ARGV[8])
  b, total = max(b, kb), max(total, ktotal)
  jump = call('XADD', KEYS[2], '*', 'e', struct.pack('>BI4I4I4I8I8', 2, gen, off, b, total, was) .. seed)
  call('HSET', KEYS[1], 'run', run, 'gen', gen, 'seed', seed, 'parts', ARGV[7], 'jump', jump,
    'at', run .. gen .. ' ' .. struct.pack(` + atFormat + `, off, b, total, 0, 0))
end
local last = call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)
return {run, tostring(gen), tostring(off), tostring(b), string.format('%.0f', total), seed, jump, last[1] and last[1][1] or jump}
`)

// attachText reads the state of channels, and their histories. A master that was promoted and
// not fenced yet may lack the last messages, so it must not answer.
//
// KEYS are g, and then m of each channel, followed by h if its letter in ARGV[1] is h, and by
// l if ARGV[3] is 1; and hb at the end, if a history is wanted. ARGV[2] is the most messages of
// a history, and ARGV[4] the most bytes: a longer history is trimmed to that.
//
// The answer is gen, off, b, total, seed, the broadcasts that are kept (if a history is wanted),
// and then for each channel its m and, if wanted, its history and whether it has a lease.
const attachText = `
local call = redis.call
local g = call('HMGET', KEYS[1], 'at', 'seed')
if not g[1] or string.sub(g[1], 1, #TERM) ~= TERM then return redis.error_reply('STALE') end
local off, b, total = struct.unpack(` + atFormat + `, g[1], #TERM + 1)
local keep = 3 * tonumber(ARGV[2])
local leases = ARGV[3] == '1'
local res, k, some = {GEN, tostring(off), tostring(b), string.format('%.0f', total), g[2], {}}, 2, false
local function kept(key)
  local all = call('LRANGE', key, -keep, -1)
  local left, from = tonumber(ARGV[4]), #all + 1
  while from > 1 and left > #all[from - 1] do
    left, from = left - #all[from - 1] - 64, from - 3
  end
  if from == 1 then return all end
  call('LTRIM', key, from - 1 - #all, -1)
  return call('LRANGE', key, 0, -1) -- more than unpack takes
end
for c in string.gmatch(ARGV[1], '.') do
  res[#res + 1] = call('GET', KEYS[k])
  k = k + 1
  if c == 'h' then
    some = true
    res[#res + 1] = keep > 0 and kept(KEYS[k]) or {}
    k = k + 1
  end
  if leases then
    res[#res + 1] = call('EXISTS', KEYS[k])
    k = k + 1
  end
end
if some and keep > 0 then res[6] = call('LRANGE', KEYS[k], -keep, -1) end
return res
`

// isUnknown says whether Redis does not know the script, or has refused it because it is
// of another generation.
func isUnknown(err error) bool {
	if _, ok := rueidis.IsRedisErr(err); !ok {
		return false
	}
	return strings.HasPrefix(err.Error(), "NOSCRIPT") || strings.HasPrefix(err.Error(), "STALE")
}
