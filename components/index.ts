/** The package `appkata-mqtt`, as other Pulumi programs import it. Nothing here deploys anything by itself. */
export { MosquittoBroker } from "./mosquittoBroker.ts";
export { namesOfProgram } from "./namesOfProgram.ts";
export { stackSettings } from "../config/stackSettings.ts";
export type { GrantArgs, MosquittoBrokerArgs, UserArgs } from "../config/args.ts";
/** Fly's resources, for apps beside the broker. */
export * as fly from "../providers/fly/resources.ts";
