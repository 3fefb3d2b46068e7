// Servers of upstreams of TCP and UDP, in njs: the controller pushes them over a Unix socket, and each connection, or
// datagram that begins a session, asks for one of them ($headgate_endpoint).
//
// Zones of memory that all workers share, and that reloads keep:
//
//   headgate_streams    epoch, revision       as in headgate.control (Lua)
//                       s:UPSTREAM            what `encode` makes of the object; evicts nothing
//                       o:UPSTREAM            the servers that get nothing, as health checks did not pass
//   headgate_failures   with time limits, and evicted if it is full:
//                       d:UPSTREAM|SERVER     the server failed and gets nothing
//                       s:UPSTREAM|SERVER     it failed: when "d:" is over, one session in fail_timeout tries it ("p:")
//                       m:UPSTREAM            some server of the upstream has "s:"
//   headgate_sessions   numbers:
//                       t:UPSTREAM            whose turn it is
//                       f:UPSTREAM|SERVER     failures within fail_timeout
//                       n:PID|UPSTREAM|SERVER sessions of a worker, where the method compares them
//
// A session has a copy of this module of its own, which is made anew: what stands outside of functions is run for each
// session. Memory that is new is filled from a snapshot by the first session that needs it.
import fs from 'fs';

const OBJECT = 's:'; // before the name of an upstream
const OUT = 'o:';
const REHASHES = 20; // tries of a hash before round robin, as in ngx_stream_upstream_hash_module
const POINT = 10; // characters of a point on a ring
const LONG_MS = 20 * 24 * 3600 * 1000; // longer than a session lasts; a number needs some limit
const LOCKED_MS = 5000;
const METHODS = 'round_robin least_conn hash consistent_hash random random_two';

let served; // the upstream of this session, when it has a server

// --- what is known ------------------------------------------------------------------------------------

// Return an object as text: fields in lines, which need less time to read than JSON.
function encode(value) {
    return [
        value.method || 'round_robin',
        value.max_fails === undefined ? 1 : value.max_fails,
        Math.round(1000 * (value.fail_timeout === undefined ? 10 : value.fail_timeout)),
        Math.round(1000 * (value.connect_timeout || 0)),
        value.answers ? 'answers' : '',
        value.check ? 'check' : '',
        value.key ? JSON.stringify(value.key) : '',
        value.peers.map((peer) => peer.p ? peer.a + ':' + peer.p : peer.a).join(' '),
        value.ring || '',
    ].join('\n');
}

function decode(name, text) {
    const fields = text.split('\n');
    return {
        name: name,
        method: fields[0],
        counts: fields[0] === 'random_two' || fields[0] === 'least_conn' ? 'n:' + process.pid + '|' + name + '|' : '',
        maxFails: Number(fields[1]),
        failTimeout: Number(fields[2]),
        connectTimeout: Number(fields[3]),
        answers: fields[4] !== '',
        check: fields[5] !== '',
        key: fields[6],
        peers: fields[7].split(' '),
        ring: fields[8],
    };
}

// Fill the memory from the snapshot at *path*, if it is new; return the objects of the snapshot. What was pushed
// meanwhile is newer, and stays.
function load(path) {
    const dict = ngx.shared.headgate_streams;
    if (dict.has('epoch')) {
        return {};
    }
    const snapshot = JSON.parse(fs.readFileSync(path));
    try {
        Object.keys(snapshot.objects).forEach((key) => dict.add(key, encode(snapshot.objects[key])));
        dict.add('revision', String(snapshot.revision));
        dict.add('epoch', snapshot.epoch);
    } catch (error) {
        ngx.log(ngx.ERR, 'the live state of TCP and UDP does not fit into its memory, set -live-memory to more: ' + error);
    }
    return snapshot.objects;
}

function forgetFailures(name, server) {
    const key = name + '|' + server;
    ['d:', 's:', 'p:'].forEach((kind) => ngx.shared.headgate_failures.delete(kind + key));
    ngx.shared.headgate_sessions.delete('f:' + key);
}

// Note the servers of *text*, which were those of *before*. One that was not there is a new one, even at an address that
// failed earlier.
function noteServers(key, before, text) {
    const name = key.slice(OBJECT.length), known = before ? decode(name, before).peers : [];
    const now = decode(name, text), out = unhealthy(name);
    now.peers.forEach((server) => known.includes(server) || forgetFailures(name, server));
    setOut(name, now.peers.filter((server) => now.check && known.includes(server) && out.includes(server)));
}

function setOut(name, servers) {
    if (servers.length) {
        ngx.shared.headgate_streams.set(OUT + name, servers.join(' '));
    } else {
        ngx.shared.headgate_streams.delete(OUT + name);
    }
}

function find(session, name) {
    const key = OBJECT + name;
    let text = ngx.shared.headgate_streams.get(key);
    if (text === undefined) {
        const value = load(session.variables.headgate_state)[key];
        text = value && encode(value);
    }
    return text === undefined ? undefined : decode(name, text);
}

// --- which server -------------------------------------------------------------------------------------

// Whether the server may be chosen though it failed: one session in fail_timeout finds out whether it is well.
function admitted(upstream, server) {
    const key = upstream.name + '|' + server, failures = ngx.shared.headgate_failures;
    return !failures.has('s:' + key) || failures.add('p:' + key, '1', upstream.failTimeout);
}

// FNV-1a
function hash(text) {
    let found = 0x811c9dc5;
    for (let i = 0; i < text.length; i++) {
        found = Math.imul(found ^ text.charCodeAt(i), 0x01000193);
    }
    return found >>> 0;
}

function keyOf(session, parts) {
    return JSON.parse(parts).map((part, i) => i % 2 ? session.variables[part] || '' : part).join('');
}

function countOf(upstream, server) {
    return upstream.counts + server;
}

function sessions(upstream, server) {
    return ngx.shared.headgate_sessions.get(countOf(upstream, server)) || 0;
}

function turn(upstream) {
    return ngx.shared.headgate_sessions.incr('t:' + upstream.name, 1, 0);
}

function inTurn(upstream, servers) {
    return servers[(turn(upstream) - 1) % servers.length];
}

function leastBusy(upstream, servers) {
    const first = turn(upstream);
    let best, least;
    for (let i = 0; i < servers.length; i++) {
        const server = servers[(first + i) % servers.length], number = sessions(upstream, server);
        if (best === undefined || number < least) {
            best = server;
            least = number;
        }
    }
    return best;
}

// Return a number that looks random: the source of Math.random is made anew for each session, which costs a tenth of it.
function drawn(upstream) {
    const number = Math.imul(turn(upstream), 0x9e3779b1);
    return Math.imul(number ^ (number >>> 15), 0x85ebca6b) >>> 0;
}

function lessBusyOfTwo(upstream, servers) {
    const number = drawn(upstream), place = (number >>> 16) % servers.length, one = servers[place];
    const other = servers[(place + 1 + (number & 0xffff) % (servers.length - 1)) % servers.length];
    return sessions(upstream, other) < sessions(upstream, one) ? other : one;
}

// CRC-32 as nginx computes it, of text in ASCII, four bits at a time.
function crc32(text) {
    const table = [
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
        0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
    ];
    let crc = 0xffffffff;
    for (let i = 0; i < text.length; i++) {
        const byte = text.charCodeAt(i);
        crc = table[(crc ^ byte) & 15] ^ (crc >>> 4);
        crc = table[(crc ^ (byte >>> 4)) & 15] ^ (crc >>> 4);
    }
    return (crc ^ 0xffffffff) >>> 0;
}

// Return the first server on the ring from where the key of the session leads to; undefined without a key. A point is
// eight digits, by which they are in order, and two of which server it is.
function onRing(session, upstream, servers) {
    const text = keyOf(session, upstream.key), ring = upstream.ring, count = ring.length / POINT;
    if (!text) {
        return undefined;
    }
    const wanted = crc32(text).toString(16).padStart(8, '0');
    let low = 0, high = count;
    while (low < high) {
        const middle = (low + high) >>> 1;
        if (ring.slice(middle * POINT, middle * POINT + 8) < wanted) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    for (let i = 0; i < count; i++) {
        const at = (low + i) % count * POINT;
        const server = upstream.peers[parseInt(ring.slice(at + 8, at + POINT), 36)];
        if (servers.includes(server) && admitted(upstream, server)) {
            return server;
        }
    }
}

// Return the server that the key of the session leads to; undefined if it may not be chosen, nor those after it.
function hashed(session, upstream, servers) {
    const text = keyOf(session, upstream.key);
    for (let i = 0; text && i < REHASHES; i++) {
        const server = upstream.peers[hash((i || '') + text) % upstream.peers.length];
        if (servers.includes(server) && admitted(upstream, server)) {
            return server;
        }
    }
}

function next(upstream, servers) {
    switch (upstream.method) {
    case 'random_two':
        return lessBusyOfTwo(upstream, servers);
    case 'least_conn':
        return leastBusy(upstream, servers);
    case 'random':
        return servers[drawn(upstream) % servers.length];
    default:
        return inTurn(upstream, servers);
    }
}

function byKey(session, upstream, servers) {
    switch (upstream.method) {
    case 'hash':
        return hashed(session, upstream, servers);
    case 'consistent_hash':
        return onRing(session, upstream, servers);
    }
}

function unhealthy(name) {
    return (ngx.shared.headgate_streams.get(OUT + name) || '').split(' ');
}

function choose(session, upstream) {
    let servers = upstream.peers;
    if (upstream.check) {
        const out = unhealthy(upstream.name);
        servers = servers.filter((server) => !out.includes(server));
        if (!servers.length) {
            return '';
        }
    }
    const healthy = servers;
    if (servers.length === 1) {
        return servers[0];
    }
    const failures = ngx.shared.headgate_failures, some = upstream.maxFails && failures.has('m:' + upstream.name);
    if (some) {
        servers = servers.filter((server) => !failures.has('d:' + upstream.name + '|' + server));
        servers = servers.length ? servers : healthy; // all failed: better one that may be well again than none
    }
    const found = upstream.key && byKey(session, upstream, servers);
    if (found) {
        return found;
    }
    while (servers.length > 1) {
        const server = next(upstream, servers);
        if (!some || admitted(upstream, server)) {
            return server;
        }
        servers = servers.filter((other) => other !== server);
    }
    return servers[0];
}

// The value of $headgate_endpoint; without one nginx closes the connection.
function endpoint(session) {
    const upstream = find(session, session.variables.headgate_upstream);
    if (!upstream) {
        return '';
    }
    const server = choose(session, upstream);
    if (server) {
        served = upstream;
        if (upstream.counts) {
            ngx.shared.headgate_sessions.incr(countOf(upstream, server), 1, 0, LONG_MS);
        }
    }
    return server;
}

// --- what became of it --------------------------------------------------------------------------------

function countFailure(upstream, server) {
    const key = upstream.name + '|' + server, failures = ngx.shared.headgate_failures;
    const again = failures.has('s:' + key);
    const times = again ? 0 : ngx.shared.headgate_sessions.incr('f:' + key, 1, 0, upstream.failTimeout);
    if (again || times >= upstream.maxFails) {
        // A session that tries the server says so only when it fails, for which it has connectTimeout.
        const suspected = 2 * upstream.failTimeout + upstream.connectTimeout;
        failures.set('d:' + key, '1', upstream.failTimeout);
        failures.set('s:' + key, '1', suspected);
        failures.set('m:' + upstream.name, '1', suspected);
    }
}

// Over TCP a session has failed if it was not connected; over UDP, if a datagram that is answered had no answer.
function hasFailed(upstream, variables) {
    return variables.protocol === 'UDP'
        ? upstream.answers && variables.upstream_bytes_received === '0'
        : variables.status === '502' && !Number(variables.upstream_connect_time);
}

// The value of $headgate_session, which nginx asks for when a session has ended: always empty, so nothing is logged.
function ended(session) {
    const variables = session.variables, upstream = served, server = upstream ? variables.upstream_addr : undefined;
    if (!server) {
        return '';
    }
    if (upstream.counts) {
        ngx.shared.headgate_sessions.incr(countOf(upstream, server), -1, 1, LONG_MS); // 1: as if it had been counted
    }
    if (!upstream.maxFails || !upstream.failTimeout || upstream.peers.length < 2) {
        return ''; // a single server is never left out
    }
    if (hasFailed(upstream, variables)) {
        countFailure(upstream, server);
    } else if (variables.status === '200' && ngx.shared.headgate_failures.has('s:' + upstream.name + '|' + server)) {
        forgetFailures(upstream.name, server);
    }
    return '';
}

// --- changes ------------------------------------------------------------------------------------------

function current() {
    const dict = ngx.shared.headgate_streams;
    return {
        epoch: dict.get('epoch') || '', revision: Number(dict.get('revision') || 0),
        capacity: dict.capacity, free: dict.freeSpace(), njs: njs.version,
    };
}


// Write the objects of *set* and delete those of *gone*; throws with nothing changed if they do not fit.
function write(set, gone) {
    const dict = ngx.shared.headgate_streams, before = {};
    let changed = 0;
    try {
        Object.keys(set).forEach((key) => {
            const old = dict.get(key), text = encode(set[key]);
            if (old !== text) {
                before[key] = old;
                dict.set(key, text);
                noteServers(key, old, text);
                changed++;
            }
        });
    } catch (error) {
        const keys = Object.keys(before);
        keys.filter((key) => before[key] === undefined).forEach((key) => dict.delete(key));
        keys.filter((key) => before[key] !== undefined).forEach((key) => dict.set(key, before[key]));
        throw error;
    }
    gone.forEach((key) => {
        changed += dict.delete(key) ? 1 : 0;
        dict.delete(OUT + key.slice(OBJECT.length));
    });
    return changed;
}

function isPeer(peer) {
    return typeof peer.a === 'string' && !/\s/.test(peer.a) && (peer.p === undefined || typeof peer.p === 'number');
}

function valid(wanted) {
    return wanted !== null && typeof wanted === 'object' && typeof wanted.to === 'number' && Array.isArray(wanted.delete)
        && typeof wanted.set === 'object' && Object.keys(wanted.set).every((key) => {
            const value = wanted.set[key];
            return key.startsWith(OBJECT) && Array.isArray(value.peers) && value.peers.length > 0
                && value.peers.every(isPeer) && (!value.method || METHODS.split(' ').includes(value.method));
        });
}

// Carry out a change; return a status and what is answered.
function change(wanted) {
    const here = current(), dict = ngx.shared.headgate_streams;
    if (wanted.epoch !== here.epoch || wanted.from !== here.revision) {
        return [409, here];
    }
    try {
        here.changed = write(wanted.set, wanted.delete);
        dict.set('revision', String(wanted.to));
    } catch (error) {
        here.reason = String(error);
        return [507, here];
    }
    return [200, Object.assign(here, current())];
}

function changeAlone(text) {
    let wanted;
    try {
        wanted = JSON.parse(text);
    } catch (error) {
        wanted = null;
    }
    if (!valid(wanted)) {
        return [400, { reason: 'not a change: epoch, from, to, set and delete are required' }];
    }
    const locks = ngx.shared.headgate_failures;
    if (!locks.add('lock', '1', LOCKED_MS)) {
        return [423, { reason: 'another change is being written' }];
    }
    try {
        return change(wanted);
    } finally {
        locks.delete('lock');
    }
}

// Take note which servers get nothing, of a worker that checks them; it tells that again every few seconds.
function health(text) {
    try {
        const news = JSON.parse(text), dict = ngx.shared.headgate_streams;
        Object.keys(news).filter((name) => dict.has(OBJECT + name)).forEach((name) => {
            setOut(name, news[name] ? news[name].split(' ') : []);
        });
        return [200, {}];
    } catch (error) {
        return [507, { reason: String(error) }];
    }
}

function answer(text, body) {
    if (text.startsWith('POST /v1/health ')) {
        return health(body);
    }
    return text.startsWith('POST ') ? changeAlone(body) : [200, current()];
}

function isBeginning(data) {
    return /^(GET|POST) \//.test(data.slice(0, 6).toString());
}

// Answer the controller: GET or POST /v1/state, as over the socket of the Lua module. nginx peeks at a request, so each
// event has what came before, too; older versions read it, and have the rest only.
function control(session) {
    let received = Buffer.alloc(0);
    session.on('upstream', (data, flags) => {
        received = isBeginning(data) ? data : Buffer.concat([received, data]);
        const text = received.toString(), end = text.indexOf('\r\n\r\n');
        const length = Number((/\r\ncontent-length: *(\d+)\r\n/i.exec(text.slice(0, end + 2)) || [0, 0])[1]);
        const body = end < 0 ? '' : text.slice(end + 4);
        if (end < 0 || Buffer.byteLength(body) < length) {
            if (flags.last) {
                session.deny();
            }
            return;
        }
        load(session.variables.headgate_state);
        const found = answer(text, body);
        session.variables.headgate_reply = 'HTTP/1.0 ' + found[0] + ' Answer\r\n\r\n' + JSON.stringify(found[1]);
        session.off('upstream');
        session.done();
    });
}

export default { endpoint, ended, control };
