import { MosquittoBroker } from "appkata-mqtt";

const users = [
    { name: "sensors", write: ["sensors/#"] },
    { name: "dashboard", read: ["sensors/#"] },
];

const london = new MosquittoBroker("london", { region: "lhr", users });
const sydney = new MosquittoBroker("sydney", { region: "syd", users, memoryMb: 512 });

export const urls = { london: london.url, sydney: sydney.url };
export const cas = { london: london.caCertificatePem, sydney: sydney.caCertificatePem };
export const addresses = { london: london.address, sydney: sydney.address };
export const passwords = { london: london.users, sydney: sydney.users };
