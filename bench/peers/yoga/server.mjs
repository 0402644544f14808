// GraphQL Yoga with graphql-jit, DataLoader, postgres.js, graphql-ws and its Redis event target, as their documentation
// has them. Over Mela's own tables. No limits, no authorisation, no rules.
import { createServer } from 'node:http'
import { createYoga, createSchema, createPubSub } from 'graphql-yoga'
import { useGraphQlJit } from '@envelop/graphql-jit'
import { createRedisEventTarget } from '@graphql-yoga/redis-event-target'
import { Redis } from 'ioredis'
import { GraphQLScalarType, getOperationAST } from 'graphql'
import DataLoader from 'dataloader'
import { WebSocketServer } from 'ws'
import { useServer } from 'graphql-ws/use/ws'
import postgres from 'postgres'

const env = process.env
const sql = postgres({
  host: env.BENCH_PG_HOST, port: +env.BENCH_PG_PORT, user: env.BENCH_PG_USER, password: env.BENCH_PG_PASSWORD,
  database: env.BENCH_PG_DATABASE, max: 10, transform: postgres.camel,
  types: { bigint: { to: 20, from: [20], parse: Number, serialize: String } }
})
const redis = env.BENCH_REDIS_PATH
  ? { path: env.BENCH_REDIS_PATH }
  : { host: env.BENCH_REDIS_HOST, port: +env.BENCH_REDIS_PORT }
const pubSub = createPubSub({
  eventTarget: createRedisEventTarget({ publishClient: new Redis(redis), subscribeClient: new Redis(redis) })
})

const typeDefs = `
scalar BigInt
scalar DateTime
scalar _Any
union _Entity = User | Auction
type User { id: ID! username: String! displayName: String! avatarUrl: String }
type Bid { id: ID! amount: BigInt! placedAt: DateTime! bidder: User! }
type Auction { id: ID! title: String! description: String! currency: String! startingPrice: BigInt! currentPrice: BigInt!
  bidCount: Int! status: String! startsAt: DateTime! endsAt: DateTime! createdAt: DateTime! seller: User!
  topBids(first: Int = 3): [Bid!]! }
type PageInfo { hasNextPage: Boolean! endCursor: String }
type AuctionEdge { cursor: String! node: Auction! }
type AuctionConnection { edges: [AuctionEdge!]! pageInfo: PageInfo! }
type Query { user(id: ID!): User auctions(first: Int!): AuctionConnection! _entities(representations: [_Any!]!): [_Entity]! }
type Subscription { bidPlaced(auctionId: ID!): Bid! }`

const cursorOf = a => Buffer.from(`${+a.createdAt}:${a.id}`).toString('base64')
const loadUsers = async ids => {
  const found = new Map()
  for (const user of await sql`SELECT id, username, display_name, avatar_url FROM user_account
      WHERE id = ANY(${ids}::uuid[])`) found.set(user.id, user)
  return ids.map(id => found.get(id))
}
const loadTopBids = async keys => {
  const most = Math.max(...keys.map(key => key.first))
  const found = new Map(keys.map(key => [key.id, []]))
  for (const bid of await sql`SELECT b.* FROM unnest(${[...found.keys()]}::uuid[]) a(id)
      CROSS JOIN LATERAL (SELECT id, auction_id, bidder_id, amount_minor AS amount, placed_at FROM bid
      WHERE auction_id = a.id ORDER BY amount_minor DESC, sequence LIMIT ${most}) b`) found.get(bid.auctionId).push(bid)
  return keys.map(key => found.get(key.id).slice(0, key.first))
}
const auctionColumns = sql`id, title, description, asset AS currency, starting_price_minor AS starting_price,
  current_price_minor AS current_price, bid_count, status, starts_at, ends_at, created_at, seller_id`
const schema = createSchema({
  typeDefs,
  resolvers: {
    BigInt: new GraphQLScalarType({ name: 'BigInt', serialize: v => v, parseValue: Number }),
    DateTime: new GraphQLScalarType({ name: 'DateTime', serialize: v => typeof v === 'string' ? v : v.toISOString() }),
    _Any: new GraphQLScalarType({ name: '_Any', serialize: v => v, parseValue: v => v }),
    _Entity: { __resolveType: () => 'User' },
    Query: {
      user: async (_, { id }) =>
        (await sql`SELECT id, username, display_name, avatar_url FROM user_account WHERE id = ${id}`)[0],
      auctions: async (_, { first }) => {
        const rows = await sql`SELECT ${auctionColumns} FROM auction
          ORDER BY created_at DESC, id DESC LIMIT ${first + 1}`
        const edges = rows.slice(0, first).map(node => ({ cursor: cursorOf(node), node }))
        return { edges, pageInfo: { hasNextPage: rows.length > first, endCursor: edges.at(-1)?.cursor ?? null } }
      },
      _entities: (_, { representations }, c) => representations.map(one => c.user.load(one.id))
    },
    Auction: {
      seller: (auction, _, c) => c.user.load(auction.sellerId),
      topBids: (auction, { first }, c) => c.topBids.load({ id: auction.id, first })
    },
    Bid: { bidder: (bid, _, c) => bid.bidder ?? c.user.load(bid.bidderId) },
    Subscription: {
      bidPlaced: { subscribe: (_, { auctionId }) => pubSub.subscribe(`yoga:${auctionId}`), resolve: bid => bid }
    }
  }
})
// With JIT, subscriptions through graphql-ws deliver nothing (@envelop/graphql-jit 11.2.1): there it is off.
const jit = useGraphQlJit({}, {
  enableIf: args => getOperationAST(args.document, args.operationName)?.operation !== 'subscription'
})
const yoga = createYoga({
  schema,
  logging: false,
  graphiql: false,
  landingPage: false,
  plugins: [jit],
  context: () => ({
    user: new DataLoader(loadUsers),
    topBids: new DataLoader(loadTopBids, { cacheKeyFn: key => key.id + key.first })
  })
})
const http = createServer(yoga)
const sockets = new WebSocketServer({ server: http, path: yoga.graphqlEndpoint })
useServer({
  execute: args => args.execute(args),
  subscribe: args => args.subscribe(args),
  onSubscribe: async (context, _id, params) => {
    const { schema, execute, subscribe, contextFactory, parse, validate } =
      yoga.getEnveloped({ ...context, req: context.extra.request, socket: context.extra.socket, params })
    const args = {
      schema,
      operationName: params.operationName,
      document: parse(params.query),
      variableValues: params.variables,
      contextValue: await contextFactory(),
      execute,
      subscribe
    }
    const errors = validate(args.schema, args.document)
    return errors.length ? errors : args
  }
}, sockets)
http.listen(+env.PORT, '127.0.0.1')
