import { MosquittoBroker } from "./components/mosquittoBroker.ts";
import { namesOfProgram } from "./components/namesOfProgram.ts";
import { stackSettings } from "./config/stackSettings.ts";

const broker = new MosquittoBroker("mosquitto", stackSettings(), {
    // In stacks of version 0.1 the component's resources are at the top.
    transformations: [namesOfProgram],
});

export default await broker.outputs;
