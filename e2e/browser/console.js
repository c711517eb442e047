// Asks SRS's API at ?api=, with ?token= if there is one, in the way of srs-console: by JSONP from the page's own origin, with
// the names of functions that AngularJS makes. Shows the fields that srs-console reads. ?by=fetch does it with fetch and a
// bearer token instead.
'use strict'

const query = new URLSearchParams(location.search)
const token = query.get('token')
const errors = [] // fields that the API has not, and what went wrong
let asked = 0

addEventListener('error', (e) => { if (e.message) errors.push(e.message) })
globalThis.angular = { callbacks: {} }

// fields are what srs-console reads of each kind of object.
const fields = {
  server: ['version', 'pid', 'ppid', 'cpu_percent', 'mem_kbyte', 'mem_percent', 'srs_uptime'],
  system: ['cpu_percent', 'cpus', 'cpus_online', 'uptime', 'mem_ram_kbyte', 'mem_ram_percent', 'load_1m', 'load_5m', 'load_15m',
    'disk_read_KBps', 'disk_write_KBps', 'disk_busy_percent', 'net_sample_time', 'net_recv_bytes', 'net_send_bytes',
    'net_recvi_bytes', 'net_sendi_bytes', 'srs_sample_time', 'srs_recv_bytes', 'srs_send_bytes', 'conn_sys', 'conn_sys_et',
    'conn_sys_tw', 'conn_sys_udp', 'conn_srs'],
  vhosts: ['id', 'name', 'enabled', 'clients', 'streams', 'kbps.recv_30s', 'kbps.send_30s', 'hls.enabled'],
  streams: ['id', 'name', 'app', 'url', 'tcUrl', 'vhost', 'clients', 'kbps.recv_30s', 'kbps.send_30s', 'publish.active',
    'publish.cid', 'video.codec', 'video.profile', 'video.level', 'video.width', 'video.height', 'audio.codec',
    'audio.sample_rate', 'audio.channel', 'audio.profile'],
  clients: ['id', 'vhost', 'stream', 'ip', 'type', 'publish', 'alive', 'tcUrl', 'swfUrl', 'pageUrl', 'url', 'name'],
  raw: ['enabled', 'listen', 'crossdomain', 'raw_api.enabled'],
}

const byJSONP = (path, parameters) => new Promise((resolve, reject) => {
  const name = `_${asked++}`
  const script = document.createElement('script')
  angular.callbacks[name] = resolve
  script.onerror = () => reject(new Error(`${path} was refused`))
  script.src = `${query.get('api')}/api/v1/${path}?${new URLSearchParams({ callback: `angular.callbacks.${name}`, ...parameters })}` +
    (token ? `&token=${encodeURIComponent(token)}` : '')
  document.head.append(script)
})

const byFetch = async (path, { method = 'GET', ...parameters }) => {
  const headers = token ? { Authorization: `Bearer ${token}` } : {}
  const answer = await fetch(`${query.get('api')}/api/v1/${path}?${new URLSearchParams(parameters)}`, { method, headers })
  if (!answer.ok) throw new Error(`${path} was refused: ${answer.status}`)
  return answer.json()
}

const ask = (path, parameters = {}) => (query.get('by') === 'fetch' ? byFetch : byJSONP)(path, parameters)

// must is ask for what has to have the code 0.
async function must(path, parameters) {
  const answer = await ask(path, parameters)
  if (answer.code !== 0) throw new Error(`${path} has the code ${answer.code}`)
  return answer
}

// list shows objects in the table of their kind, a row each and a cell for each field, named by its path.
function list(kind, objects) {
  const rows = objects.map((object) => {
    const row = document.createElement('tr')
    for (const path of fields[kind]) {
      const value = path.split('.').reduce((o, name) => o?.[name], object)
      if (value === undefined || value === null) errors.push(`${kind}: ${path} is ${value}`)
      const cell = row.insertCell()
      cell.dataset.field = path
      cell.textContent = String(value)
    }
    return row
  })
  document.getElementById(kind).replaceChildren(...rows)
}

// refresh shows everything anew, with each object asked for alone too, as the console does when one is clicked.
async function refresh() {
  errors.length = 0
  try {
    document.querySelector('h1').textContent = (await must('versions')).data.version
    const { data } = await must('summaries')
    list('server', [data.self])
    list('system', [data.system])
    for (const [kind, one] of [['vhosts', 'vhost'], ['streams', 'stream'], ['clients', 'client']]) {
      const objects = (await must(kind))[kind]
      list(kind, await Promise.all(objects.map(async ({ id }) => (await must(`${kind}/${id}`))[one])))
      list(kind, objects)
    }
    list('raw', [(await must('raw', { rpc: 'raw' })).http_api])
  } catch (error) {
    errors.push(error.message)
  }
  return shown()
}

// kick ends a client, and returns the code of the answer.
const kick = async (id) => (await ask(`clients/${id}`, { method: 'DELETE' })).code

// shown tells what stands on the page.
function shown() {
  const page = { version: document.querySelector('h1').textContent, errors }
  for (const kind of Object.keys(fields)) {
    page[kind] = [...document.getElementById(kind).rows].map((row) =>
      Object.fromEntries([...row.cells].map((cell) => [cell.dataset.field, cell.textContent])))
  }
  return page
}
