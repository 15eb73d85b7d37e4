import { listenNode } from './listenNode.ts';
import { main } from './serve.ts';

await main(listenNode);
