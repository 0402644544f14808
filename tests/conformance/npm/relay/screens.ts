// What an application on Relay writes: refetched by node and nodes, paged, pushed, changed.
// relay-compiler reads it; nothing runs it.
import { graphql } from 'relay-runtime';

export const anything = graphql`
  query screensNodeQuery($id: ID!) {
    node(id: $id) {
      __typename
      id
      ...screens_lot @alias
      ...screens_person @alias
    }
  }
`;

export const several = graphql`
  query screensNodesQuery($ids: [ID!]!) {
    nodes(ids: $ids) {
      id
      ...screens_lot @alias
    }
  }
`;

export const person = graphql`
  fragment screens_person on User @refetchable(queryName: "screensPersonRefetchQuery") {
    username
    displayName
  }
`;

export const lot = graphql`
  fragment screens_lot on Auction
  @argumentDefinitions(count: { type: "Int", defaultValue: 10 }, cursor: { type: "Cursor" })
  @refetchable(queryName: "screensLotPageQuery") {
    title
    eventCursor
    currentPrice {
      ...screens_money
    }
    seller {
      ...screens_person
    }
    bids(first: $count, after: $cursor) @connection(key: "screens_bids") {
      totalCount
      edges {
        node {
          sequence
          bidder {
            ...screens_person
          }
        }
      }
    }
  }
`;

export const money = graphql`
  fragment screens_money on Money @inline {
    amount
    asset
  }
`;

export const list = graphql`
  query screensAuctionsQuery($count: Int = 20, $cursor: Cursor) {
    ...screens_list @arguments(count: $count, cursor: $cursor)
  }
`;

export const lots = graphql`
  fragment screens_list on Query
  @argumentDefinitions(count: { type: "Int" }, cursor: { type: "Cursor" })
  @refetchable(queryName: "screensListPageQuery") {
    auctions(orderBy: ENDING_SOON, first: $count, after: $cursor)
      @connection(key: "screens_auctions", filters: ["orderBy"]) {
      edges {
        node {
          ...screens_lot
        }
      }
    }
  }
`;

export const found = graphql`
  query screensSearchQuery($text: String!, $cursor: Cursor) {
    search(query: $text, first: 10, after: $cursor) @connection(key: "screens_search") {
      edges {
        node {
          matched
          node {
            ... on Node {
              id
            }
            ... on Auction {
              title
            }
          }
        }
      }
    }
  }
`;

export const bids = graphql`
  subscription screensBidsSubscription($id: ID!, $after: Cursor) {
    bidPlaced(auctionId: $id, after: $after) {
      cursor
      bid {
        sequence
        auction {
          ...screens_lot
        }
      }
    }
  }
`;

export const bid = graphql`
  mutation screensBidMutation($input: PlaceBidInput!) {
    placeBid(input: $input) {
      __typename
      ... on PlaceBidSuccess {
        auction {
          ...screens_lot
        }
      }
      ... on BidTooLow {
        minimumBid {
          ...screens_money
        }
      }
      ... on Error {
        code
        message
      }
    }
  }
`;

export const comment = graphql`
  mutation screensCommentMutation($input: AddCommentInput!, $connections: [ID!]!) {
    addComment(input: $input) {
      ... on AddCommentSuccess {
        comment @prependNode(connections: $connections, edgeTypeName: "CommentEdge") {
          id
          text
        }
      }
      ... on Error {
        message
      }
    }
  }
`;
