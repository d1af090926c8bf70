// dcmjs-dimse as an archive: takes all that is stored, says of a query what it has, and keeps what it is asked to keep.
//   node archive.js '{"port": 11113}'; with `tls` (files: key, cert, ca) it speaks TLS and wants a certificate.
// A line of JSON for each request, and one when it listens.
const fs = require('fs');
const { Dataset, Scp, Server, constants, log, requests, responses } = require('dcmjs-dimse');

log.setLevel('error');
const { PresentationContextResult, Status } = constants;
const given = JSON.parse(process.argv[2]);
const say = (line) => console.log(JSON.stringify(line));
const held = [];

class Archive extends Scp {
  associationRequested(association) {
    for (const { id } of association.getPresentationContexts()) {
      association.getPresentationContext(id).setResult(PresentationContextResult.Accept);
    }
    this.sendAssociationAccept();
  }

  associationReleaseRequested() {
    this.sendAssociationReleaseResponse();
  }

  cEchoRequest(request, callback) {
    callback(this.taken(responses.CEchoResponse, request));
  }

  cStoreRequest(request, callback) {
    held.push(request.getDataset().getElements());
    say({ what: 'C-STORE', instance: request.getAffectedSopInstanceUid() });
    callback(this.taken(responses.CStoreResponse, request));
  }

  cFindRequest(request, callback) {
    const { StudyInstanceUID } = request.getDataset().getElements();
    const found = held.filter((one) => one.StudyInstanceUID === StudyInstanceUID).map((one) => {
      const { SeriesInstanceUID, Modality } = one;
      const pending = responses.CFindResponse.fromRequest(request);
      pending.setDataset(new Dataset({ QueryRetrieveLevel: 'SERIES', StudyInstanceUID, SeriesInstanceUID, Modality }));
      pending.setStatus(Status.Pending);
      return pending;
    });
    callback([...found, this.taken(responses.CFindResponse, request)]);
  }

  nActionRequest(request, callback) {
    const { TransactionUID, ReferencedSOPSequence } = request.getDataset().getElements();
    const report = new requests.NEventReportRequest(request.getRequestedSopClassUid(), request.getRequestedSopInstanceUid(), 1);
    report.setDataset(new Dataset({ TransactionUID, ReferencedSOPSequence }));
    report.on('response', (response) => say({ what: 'answer to a report', status: response.getStatus() }));
    callback(this.taken(responses.NActionResponse, request));
    setImmediate(() => this.sendRequests(report));
  }

  nEventReportRequest(request, callback) {
    say({ what: 'report', type: request.getEventTypeId(), data: request.getDataset().getElements() });
    callback(this.taken(responses.NEventReportResponse, request));
  }

  taken(kind, request) {
    const response = kind.fromRequest(request);
    response.setStatus(Status.Success);
    return response;
  }
}

const read = (path) => fs.readFileSync(path);
const tls = given.tls && { key: read(given.tls.key), cert: read(given.tls.cert), ca: read(given.tls.ca) };
const server = new Server(Archive);
server.on('networkError', (why) => say({ what: 'networkError', why: String(why && why.message) }));
server.listen(given.port, tls && { securityOptions: { ...tls, requestCert: true, rejectUnauthorized: true } });
