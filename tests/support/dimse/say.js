// dcmjs-dimse as a user of services with N-messages, in one association; a line of JSON for each answer.
//   node say.js HOST PORT CALLING CALLED MESSAGES
// MESSAGES is a file with a list of {operation, sopClass, sopInstance, type, dataset}; a data set is keywords and values.
const fs = require('fs');
const { Client, Dataset, log, requests } = require('dcmjs-dimse');

log.setLevel('error');
const [host, port, calling, called, file] = process.argv.slice(2);
const client = new Client();
const made = {
  'N-ACTION': (one) => new requests.NActionRequest(one.sopClass, one.sopInstance, one.type),
  'N-CREATE': (one) => new requests.NCreateRequest(one.sopClass, one.sopInstance),
  'N-SET': (one) => new requests.NSetRequest(one.sopClass, one.sopInstance),
  'N-EVENT-REPORT': (one) => new requests.NEventReportRequest(one.sopClass, one.sopInstance, one.type),
};

for (const one of JSON.parse(fs.readFileSync(file, 'utf8'))) {
  const request = made[one.operation](one);
  request.setDataset(new Dataset(one.dataset));
  request.on('response', (response) => {
    console.log(JSON.stringify({ what: one.operation, status: response.getStatus() }));
  });
  client.addRequest(request);
}
for (const event of ['associationRejected', 'networkError']) {
  client.on(event, (why) => {
    console.log(JSON.stringify({ what: event, why: String(why && why.message) }));
    process.exitCode = 1;
  });
}
client.send(host, Number(port), calling, called);
