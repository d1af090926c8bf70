// dcmjs-dimse as a sender: an echo, and each FILE by C-STORE, in one association; a line of JSON for each answer.
//   node send.js HOST PORT CALLING CALLED [FILE ...]
const { Client, log, requests } = require('dcmjs-dimse');

log.setLevel('error');
const [host, port, calling, called, ...files] = process.argv.slice(2);
const client = new Client();

function add(request, what) {
  request.on('response', (response) => {
    console.log(JSON.stringify({ what, status: response.getStatus() }));
  });
  client.addRequest(request);
}

add(new requests.CEchoRequest(), 'echo');
for (const file of files) {
  add(new requests.CStoreRequest(file), file);
}
for (const event of ['associationRejected', 'networkError']) {
  client.on(event, (why) => {
    console.log(JSON.stringify({ what: event, why: String(why && why.message) }));
    process.exitCode = 1;
  });
}
client.send(host, Number(port), calling, called);
