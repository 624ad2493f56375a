/** The user that the verification logs in as, and what it is granted: just what it proves. */
import type { Access } from "../broker/acl.ts";

export const VERIFIER = "appkata-verification";

/** Topics that nobody else uses; each verification takes a topic of its own below them. */
export const TOPICS = {
    own: "appkata-mqtt/verification",
    readOnly: "appkata-mqtt/verification-read-only",
    writeOnly: "appkata-mqtt/verification-write-only",
    notGranted: "appkata-mqtt/verification-not-granted",
};

export const VERIFIER_ACCESS: Access = {
    name: VERIFIER,
    read: [`${TOPICS.readOnly}/#`],
    write: [`${TOPICS.writeOnly}/#`],
    readWrite: [`${TOPICS.own}/#`],
    deny: [],
    everything: false,
};
