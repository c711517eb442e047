// As sign.go, for Node.js.
const { createHmac } = require("node:crypto");

function sign(secret, action, stream, expiry, client = "") {
  const text = [action, stream, expiry, client].join("\n");
  const sig = createHmac("sha256", secret).update(text).digest("hex");
  return `exp=${expiry}&sig=${sig}`;
}

console.log(sign(process.env.SIGNING_SECRET, ...process.argv.slice(2)));
