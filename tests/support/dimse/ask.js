// dcmjs-dimse as a user of services: all requests in one association; a line of JSON for each answer and each report.
//   node ask.js '{"port": 11112, "calling": "CT1", "called": "NODE", "requests": [{"operation": "C-ECHO"}, ...]}'
// A request has what its operation needs: file, sopClass, instance, type, data. `tls` names files: key, cert, ca;
// `reports` is how many reports it waits for, a minute at most, before it ends the association.
const fs = require('fs');
const { Client, Dataset, constants, log, requests, responses } = require('dcmjs-dimse');

log.setLevel('error');
const asked = JSON.parse(process.argv[2]);
const say = (line) => console.log(JSON.stringify(line));

const makers = {
  'C-ECHO': () => new requests.CEchoRequest(),
  'C-STORE': (one) => new requests.CStoreRequest(one.file),
  'N-CREATE': (one) => new requests.NCreateRequest(one.sopClass, one.instance),
  'N-SET': (one) => new requests.NSetRequest(one.sopClass, one.instance),
  'N-ACTION': (one) => new requests.NActionRequest(one.sopClass, one.instance, one.type),
  'N-EVENT-REPORT': (one) => new requests.NEventReportRequest(one.sopClass, one.instance, one.type),
};

const client = new Client();
let awaited = asked.requests.length + (asked.reports || 0);

// Of what is awaited one has come; with the last of it the association ends.
function count() {
  awaited -= 1;
  if (asked.reports && !awaited) {
    client.network.sendAssociationReleaseRequest();
  }
}

for (const one of asked.requests) {
  const request = makers[one.operation](one);
  if (one.data) {
    request.setDataset(new Dataset(one.data));
  }
  request.on('response', (response) => {
    say({ what: one.operation, status: response.getStatus() });
    count();
  });
  client.addRequest(request);
}
client.on('nEventReportRequest', (request, callback) => {
  say({ what: 'report', type: request.getEventTypeId(), data: request.getDataset().getElements() });
  const response = responses.NEventReportResponse.fromRequest(request);
  response.setStatus(constants.Status.Success);
  callback(response);
  count();
});
client.on('closed', () => process.exit());
for (const event of ['associationRejected', 'networkError']) {
  client.on(event, (why) => {
    say({ what: event, why: String(why && why.message) });
    process.exitCode = 1;
  });
}
const read = (path) => fs.readFileSync(path);
const tls = asked.tls && { key: read(asked.tls.key), cert: read(asked.tls.cert), ca: read(asked.tls.ca) };
client.send('127.0.0.1', asked.port, asked.calling, asked.called, {
  associationLingerTimeout: asked.reports ? 60000 : 0, // ms
  ...(tls && { securityOptions: tls }),
});
