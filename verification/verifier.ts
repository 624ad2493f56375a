/** The user that the verification logs in as, with just the grants that its checks need. */
import type { Access } from "../broker/acl.ts";

export const VERIFIER = "appkata-verification";

/** Topics that only the verification uses; each run uses a topic of its own below them. */
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
