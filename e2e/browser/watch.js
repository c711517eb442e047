// Plays ?src= as ?type= says: flv and mpegts with mpegts.js, hls with hls.js, native with what the browser has. ?options= is
// JSON for the library. What comes of it is told by report().
'use strict'

const query = new URLSearchParams(location.search)
const options = JSON.parse(query.get('options')) || {}
const video = document.querySelector('video')
const began = performance.now()
const errors = [] // what the library calls an error, and the video element's
const retries = [] // what the library helps itself out of: it loads again, and steps over holes
const stalls = []  // when the picture stood still, in ms
let first = 0      // when the first picture was shown, in ms after the start
let player

const since = () => Math.round(performance.now() - began)

addEventListener('error', (e) => errors.push(`page: ${e.message}`))
video.requestVideoFrameCallback(() => { first = since() })
video.addEventListener('error', () => errors.push(`video: ${video.error.code} ${video.error.message}`))
video.addEventListener('waiting', () => { if (first) stalls.push(since()) })

const players = {
  mpegts() {
    const source = { type: query.get('type'), isLive: true, url: query.get('src'), cors: true }
    player = mpegts.createPlayer(source, { enableStashBuffer: false, ...options })
    player.on(mpegts.Events.ERROR, (kind, detail, info) => errors.push(`${kind} ${detail} ${JSON.stringify(info)}`))
    player.attachMediaElement(video)
    player.load()
  },
  hls() {
    player = new Hls(options)
    player.on(Hls.Events.ERROR, (_, e) => {
      const helps = e.type === Hls.ErrorTypes.NETWORK_ERROR || /^buffer(Stalled|NudgeOnStall|SeekOverHole|AppendNoProgress)/.test(e.details)
      const list = e.fatal || !helps ? errors : retries
      list.push(`${since()}: ${e.details} ${e.reason || ''} ${e.error || ''} ${e.response ? e.response.code : ''}`)
    })
    player.loadSource(query.get('src'))
    player.attachMedia(video)
  },
}

players.native = () => { video.src = query.get('src') }
players.flv = players.mpegts

// report tells what has been played so far.
function report() {
  const quality = video.getVideoPlaybackQuality()
  const ranges = []
  for (let i = 0; i < video.buffered.length; i++) ranges.push([video.buffered.start(i), video.buffered.end(i)])
  return {
    time: video.currentTime,
    pictures: quality.totalVideoFrames,
    dropped: quality.droppedVideoFrames,
    sound: video.webkitAudioDecodedByteCount, // bytes decoded
    width: video.videoWidth,
    height: video.videoHeight,
    playing: !video.paused && !video.ended && video.readyState >= HTMLMediaElement.HAVE_FUTURE_DATA,
    buffered: ranges,
    first, stalls, errors, retries,
  }
}

// pitch tells the frequency that is loudest in the sound, in Hz.
let analyser
function pitch() {
  if (!analyser) {
    const context = new AudioContext()
    analyser = new AnalyserNode(context, { fftSize: 8192 })
    context.createMediaElementSource(video).connect(analyser)
    analyser.connect(context.destination)
  }
  const levels = new Float32Array(analyser.frequencyBinCount)
  analyser.getFloatFrequencyData(levels)
  const loudest = levels.indexOf(Math.max(...levels))
  return loudest * analyser.context.sampleRate / analyser.fftSize
}

// age tells how old the next picture is when it is shown, in ms: it is of the time in milliseconds, as rows of eight blocks that
// are bits, with the sum of the rows in the last.
const age = () => new Promise((resolve, reject) => {
  video.requestVideoFrameCallback(() => {
    const now = Date.now()
    const canvas = new OffscreenCanvas(8, 5)
    const context = canvas.getContext('2d')
    context.drawImage(video, 0, 0, 8, 5)
    const { data } = context.getImageData(0, 0, 8, 5)
    const rows = new Uint8Array(5)
    for (let i = 0; i < 40; i++) rows[i >> 3] |= (data[4 * i] > 127) << (7 - (i & 7))
    const sum = rows.slice(0, 4).reduce((a, b) => a + b) & 0xff
    if (sum !== rows[4]) return reject(new Error(`the picture is no clock: ${rows}`))
    const made = new DataView(rows.buffer).getUint32(0)
    resolve(((now % 2 ** 32) - made) | 0)
  })
})

players[query.get('type')]()
