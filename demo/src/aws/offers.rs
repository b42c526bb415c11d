//! What AWS sells, and what each kind of component is built from there.

use crate::money::Decimal;
use crate::offer::{Offer, Part, Rhythm, Service};

const fn service(name: &'static str, code: &'static str, category: &'static str, subcategory: &'static str) -> Service {
    Service::new(name, code, category, subcategory)
}

pub(super) static EC2: Service = service("Amazon Elastic Compute Cloud", "AmazonEC2", "Compute", "Virtual Machines");
static EBS: Service = service("Amazon Elastic Block Store", "AmazonEBS", "Storage", "Block Storage");
pub(super) static RDS: Service =
    service("Amazon Relational Database Service", "AmazonRDS", "Databases", "Relational Databases");
static ELASTICACHE: Service = service("Amazon ElastiCache", "AmazonElastiCache", "Databases", "Caching");
static DYNAMODB: Service = service("Amazon DynamoDB", "AmazonDynamoDB", "Databases", "NoSQL Databases");
static ELB: Service = service("Elastic Load Balancing", "AWSELB", "Networking", "Application Networking");
static VPC: Service = service("Amazon Virtual Private Cloud", "AmazonVPC", "Networking", "Network Infrastructure");
pub(super) static DATA_TRANSFER: Service =
    service("AWS Data Transfer", "AWSDataTransfer", "Networking", "Other (Networking)");
static DIRECT_CONNECT: Service =
    service("AWS Direct Connect", "AWSDirectConnect", "Networking", "Network Connectivity");
static CLOUDFRONT: Service = service("Amazon CloudFront", "AmazonCloudFront", "Networking", "Content Delivery");
static ROUTE53: Service = service("Amazon Route 53", "AmazonRoute53", "Networking", "Network Routing");
static WAF: Service = service("AWS WAF", "awswaf", "Networking", "Network Security");
static S3: Service = service("Amazon Simple Storage Service", "AmazonS3", "Storage", "Object Storage");
static CLOUDWATCH: Service =
    service("Amazon CloudWatch", "AmazonCloudWatch", "Management and Governance", "Observability");
pub(super) static LAMBDA: Service = service("AWS Lambda", "AWSLambda", "Compute", "Serverless Compute");
static API_GATEWAY: Service = service("Amazon API Gateway", "AmazonApiGateway", "Integration", "API Management");
static SQS: Service = service("Amazon Simple Queue Service", "AWSQueueService", "Integration", "Messaging");
static STEP_FUNCTIONS: Service = service("AWS Step Functions", "AmazonStates", "Integration", "Workflow Orchestration");
static FARGATE: Service = service("Amazon Elastic Container Service", "AmazonECS", "Compute", "Containers");
static EKS: Service = service("Amazon Elastic Container Service for Kubernetes", "AmazonEKS", "Compute", "Containers");
static ECR: Service =
    service("Amazon EC2 Container Registry (ECR)", "AmazonECR", "Developer Tools", "Other (Developer Tools)");
static EMR: Service = service("Amazon EMR", "ElasticMapReduce", "Analytics", "Data Processing");
static OPENSEARCH: Service = service("Amazon OpenSearch Service", "AmazonES", "Analytics", "Search");
pub(super) static ATHENA: Service = service("Amazon Athena", "AmazonAthena", "Analytics", "Analytics Platforms");
static GLUE: Service = service("AWS Glue", "AWSGlue", "Analytics", "Other (Analytics)");
static KINESIS: Service = service("Amazon Kinesis", "AmazonKinesis", "Analytics", "Streaming Analytics");
static MSK: Service =
    service("Amazon Managed Streaming for Apache Kafka", "AmazonMSK", "Integration", "Other (Integration)");

/// `list` is (units, scale): 192, 3 is 0.192 dollars.
const fn offer(
    service: &'static Service,
    meter: &'static str,
    description: &'static str,
    unit: &'static str,
    list: (i128, u32),
    rhythm: Rhythm,
) -> Offer {
    Offer::new(service, meter, description, unit, Decimal::new(list.0, list.1), rhythm)
}

static M6I: Offer = offer(
    &EC2,
    "BoxUsage:m6i.xlarge",
    "$0.192 per On Demand Linux m6i.xlarge Instance Hour",
    "Hours",
    (192, 3),
    Rhythm::Traffic,
)
.resource("Instance", "arn:aws:ec2:{region}:{account}:instance/i-0{hex}")
.details(
    r#"{"CoreCount":4,"InstanceType":"m6i.xlarge","InstanceSeries":"m6i","MemorySize":16,"OperatingSystem":"Linux"}"#,
)
.committable()
.zonal();
static C6I_SPOT: Offer = offer(
    &EC2,
    "SpotUsage:c6i.4xlarge",
    "c6i.4xlarge Linux/UNIX Spot Instance-hour",
    "Hours",
    (7_296, 4),
    Rhythm::Office,
)
.resource("Instance", "arn:aws:ec2:{region}:{account}:instance/i-0{hex}")
.details(
    r#"{"CoreCount":16,"InstanceType":"c6i.4xlarge","InstanceSeries":"c6i","MemorySize":32,"OperatingSystem":"Linux"}"#,
)
.spot(61)
.zonal();
static GP3: Offer = offer(
    &EBS,
    "EBS:VolumeUsage.gp3",
    "$0.088 per GB-month of General Purpose (gp3) provisioned storage",
    "GB-Months",
    (88, 3),
    Rhythm::Steady,
)
.resource("Volume", "arn:aws:ec2:{region}:{account}:volume/vol-0{hex}")
.details(r#"{"DiskType":"gp3","StorageClass":"SSD"}"#)
.zonal();
static POSTGRES: Offer = offer(
    &RDS,
    "Multi-AZUsage:db.r6g.xl",
    "$1.008 per RDS db.r6g.xlarge Multi-AZ instance hour (or partial hour) running PostgreSQL",
    "Hours",
    (1_008, 3),
    Rhythm::Steady,
)
.resource("DB Instance", "arn:aws:rds:{region}:{account}:db:{name}")
.details(r#"{"CoreCount":4,"InstanceType":"db.r6g.xlarge","MemorySize":32,"Redundancy":"Multi-AZ"}"#);
static POSTGRES_STORAGE: Offer = offer(
    &RDS,
    "RDS:Multi-AZ-GP3-Storage",
    "$0.253 per GB-month of provisioned gp3 storage running PostgreSQL, Multi-AZ",
    "GB-Months",
    (253, 3),
    Rhythm::Steady,
)
.resource("DB Instance", "arn:aws:rds:{region}:{account}:db:{name}");
static REDIS: Offer = offer(
    &ELASTICACHE,
    "NodeUsage:cache.r6g.large",
    "$0.227 per cache.r6g.large node hour running Redis",
    "Hours",
    (227, 3),
    Rhythm::Steady,
)
.resource("Cache Cluster", "arn:aws:elasticache:{region}:{account}:cluster:{name}");
static TABLE_READS: Offer = offer(
    &DYNAMODB,
    "ReadRequestUnits",
    "$0.283 per million read request units",
    "1000000 Requests",
    (283, 3),
    Rhythm::Traffic,
)
.resource("Table", "arn:aws:dynamodb:{region}:{account}:table/{name}");
static ALB: Offer = offer(
    &ELB,
    "LCUUsage",
    "$0.008 per used Application load balancer capacity unit-hour (or partial hour)",
    "LCU-Hours",
    (8, 3),
    Rhythm::Traffic,
)
.resource("Load Balancer", "arn:aws:elasticloadbalancing:{region}:{account}:loadbalancer/app/{name}/{hex}");
static NAT: Offer =
    offer(&VPC, "NatGateway-Bytes", "$0.048 per GB Data Processed by NAT Gateways", "GB", (48, 3), Rhythm::Traffic)
        .resource("NAT Gateway", "arn:aws:ec2:{region}:{account}:natgateway/nat-0{hex}");
static PRIVATE_LINK: Offer =
    offer(&VPC, "VpcEndpoint-Hours", "$0.011 per VPC Endpoint Hour", "Hours", (11, 3), Rhythm::Steady)
        .resource("VPC Endpoint", "arn:aws:ec2:{region}:{account}:vpc-endpoint/vpce-0{hex}");
static EGRESS: Offer = offer(
    &DATA_TRANSFER,
    "DataTransfer-Out-Bytes",
    "$0.090 per GB - first 10 TB / month data transfer out beyond the global free tier",
    "GB",
    (90, 3),
    Rhythm::Traffic,
);
static CONNECT: Offer =
    offer(&DIRECT_CONNECT, "PortUsage:10G", "$2.25 per 10G dedicated port-hour", "Hours", (225, 2), Rhythm::Steady)
        .resource("Direct Connect Connection", "arn:aws:directconnect:{region}:{account}:dxcon/dxcon-{hex}");
static CDN: Offer = offer(
    &CLOUDFRONT,
    "DataTransfer-Out-Bytes:CloudFront",
    "$0.085 per GB - first 10 TB / month data transfer out",
    "GB",
    (85, 3),
    Rhythm::Traffic,
)
.resource("Distribution", "arn:aws:cloudfront::{account}:distribution/E{hex}");
static CDN_REQUESTS: Offer = offer(
    &CLOUDFRONT,
    "Requests-Tier2-HTTPS",
    "$0.0120 per 10,000 HTTPS requests",
    "10000 Requests",
    (120, 4),
    Rhythm::Traffic,
)
.resource("Distribution", "arn:aws:cloudfront::{account}:distribution/E{hex}");
static DNS: Offer = offer(
    &ROUTE53,
    "DNS-Queries",
    "$0.40 per 1,000,000 queries for the first 1 Billion queries",
    "1000000 Requests",
    (40, 2),
    Rhythm::Traffic,
)
.resource("Hosted Zone", "arn:aws:route53:::hostedzone/Z{hex}");
static FIREWALL: Offer = offer(
    &WAF,
    "RequestV2-Tier1",
    "$0.60 per million requests processed",
    "1000000 Requests",
    (60, 2),
    Rhythm::Traffic,
)
.resource("Web ACL", "arn:aws:wafv2:{region}:{account}:regional/webacl/{name}/{uuid}");
static BUCKET: Offer = offer(
    &S3,
    "TimedStorage-ByteHrs",
    "$0.023 per GB - first 50 TB / month of storage used",
    "GB-Months",
    (23, 3),
    Rhythm::Steady,
)
.resource("Bucket", "arn:aws:s3:::brightwater-{name}")
.details(r#"{"StorageClass":"Standard"}"#);
static BUCKET_REQUESTS: Offer = offer(
    &S3,
    "Requests-Tier1",
    "$0.005 per 1,000 PUT, COPY, POST, or LIST requests",
    "1000 Requests",
    (5, 3),
    Rhythm::Traffic,
)
.resource("Bucket", "arn:aws:s3:::brightwater-{name}");
static LOGS: Offer = offer(
    &CLOUDWATCH,
    "DataProcessing-Bytes",
    "$0.57 per GB custom log data ingested in Standard log class",
    "GB",
    (57, 2),
    Rhythm::Traffic,
)
.resource("Log Group", "arn:aws:logs:{region}:{account}:log-group:/brightwater/{name}");
static FUNCTION_TIME: Offer =
    offer(&LAMBDA, "Lambda-GB-Second", "AWS Lambda - Total Compute", "GB-Seconds", (1_667, 8), Rhythm::Traffic)
        .resource("Function", "arn:aws:lambda:{region}:{account}:function:{name}");
static GATEWAY: Offer = offer(
    &API_GATEWAY,
    "ApiGatewayRequest",
    "$3.50 per million requests - first 333 million requests per month",
    "1000000 Requests",
    (350, 2),
    Rhythm::Traffic,
)
.resource("API", "arn:aws:apigateway:{region}::/restapis/{hex}");
static QUEUE: Offer = offer(
    &SQS,
    "Requests-RBP",
    "$0.40 per 1,000,000 Amazon SQS requests in Tier1",
    "1000000 Requests",
    (40, 2),
    Rhythm::Traffic,
)
.resource("Queue", "arn:aws:sqs:{region}:{account}:{name}");
static WORKFLOW: Offer = offer(
    &STEP_FUNCTIONS,
    "StateTransition",
    "$0.025 per 1,000 state transitions",
    "1000 Transitions",
    (25, 3),
    Rhythm::Batch,
)
.resource("State Machine", "arn:aws:states:{region}:{account}:stateMachine:{name}");
static TASKS: Offer =
    offer(&FARGATE, "Fargate-vCPU-Hours:perCPU", "AWS Fargate - vCPU", "vCPU-Hours", (4_048, 5), Rhythm::Traffic)
        .resource("Service", "arn:aws:ecs:{region}:{account}:service/{name}")
        .committable();
static TASK_MEMORY: Offer =
    offer(&FARGATE, "Fargate-GB-Hours", "AWS Fargate - Memory", "GB-Hours", (4_445, 6), Rhythm::Traffic)
        .resource("Service", "arn:aws:ecs:{region}:{account}:service/{name}")
        .committable();
static CLUSTER: Offer =
    offer(&EKS, "AmazonEKS-Hours:perCluster", "$0.10 per Amazon EKS cluster hour", "Hours", (10, 2), Rhythm::Steady)
        .resource("Cluster", "arn:aws:eks:{region}:{account}:cluster/{name}");
static IMAGES: Offer =
    offer(&ECR, "TimedStorage-ByteHrs:ECR", "$0.10 per GB-month of data storage", "GB-Months", (10, 2), Rhythm::Steady)
        .resource("Repository", "arn:aws:ecr:{region}:{account}:repository/{name}");
static SPARK: Offer =
    offer(&EMR, "BoxUsage:r6g.2xlarge:EMR", "$0.1012 per hour for EMR r6g.2xlarge", "Hours", (1_012, 4), Rhythm::Batch)
        .resource("Cluster", "arn:aws:elasticmapreduce:{region}:{account}:cluster/j-{hex}");
static SEARCH: Offer = offer(
    &OPENSEARCH,
    "ESInstance:r6g.xlarge",
    "$0.377 per r6g.xlarge.search instance hour (or partial hour)",
    "Hours",
    (377, 3),
    Rhythm::Steady,
)
.resource("Domain", "arn:aws:es:{region}:{account}:domain/{name}");
static SCANS: Offer =
    offer(&ATHENA, "DataScannedInTB", "$5.00 per terabyte of data scanned", "TB", (500, 2), Rhythm::Office)
        .resource("Workgroup", "arn:aws:athena:{region}:{account}:workgroup/{name}");
static ETL: Offer = offer(
    &GLUE,
    "ETL-Flex-DPU-Hour",
    "$0.44 per Data Processing Unit-Hour for AWS Glue ETL",
    "DPU-Hours",
    (44, 2),
    Rhythm::Batch,
)
.resource("Job", "arn:aws:glue:{region}:{account}:job/{name}");
static SHARDS: Offer = offer(&KINESIS, "Storage-ShardHour", "$0.017 per shard hour", "Hours", (17, 3), Rhythm::Steady)
    .resource("Stream", "arn:aws:kinesis:{region}:{account}:stream/{name}");
static PUT_UNITS: Offer = offer(
    &KINESIS,
    "PutRequestPayloadUnits",
    "$0.0165 per 1,000,000 PUT payload units",
    "1000000 Units",
    (165, 4),
    Rhythm::Traffic,
)
.resource("Stream", "arn:aws:kinesis:{region}:{account}:stream/{name}");
static BROKERS: Offer = offer(
    &MSK,
    "Kafka.m7g.large",
    "$0.2268 per hour for a kafka.m7g.large broker",
    "Hours",
    (2_268, 4),
    Rhythm::Steady,
)
.resource("Cluster", "arn:aws:kafka:{region}:{account}:cluster/{name}/{uuid}");

pub(super) static FREE_LAMBDA: Offer = offer(
    &LAMBDA,
    "Request:FreeTier",
    "AWS Lambda - Requests Free Tier - 1,000,000 Requests",
    "1000000 Requests",
    (0, 2),
    Rhythm::Steady,
);
pub(super) static FREE_SQS: Offer = offer(
    &SQS,
    "Requests:FreeTier",
    "First 1,000,000 Amazon SQS requests per month are free",
    "1000000 Requests",
    (0, 2),
    Rhythm::Steady,
);

pub(super) static SERVICE: &[Part] = &[
    (&M6I, 33),
    (&POSTGRES, 21),
    (&GP3, 6),
    (&REDIS, 9),
    (&LOGS, 6),
    (&ALB, 5),
    (&BUCKET, 4),
    (&EGRESS, 7),
    (&POSTGRES_STORAGE, 5),
    (&NAT, 4),
];
pub(super) static FUNCTION: &[Part] =
    &[(&FUNCTION_TIME, 36), (&TABLE_READS, 24), (&GATEWAY, 18), (&LOGS, 9), (&QUEUE, 7), (&BUCKET, 3), (&WORKFLOW, 3)];
pub(super) static CONTAINER: &[Part] =
    &[(&TASKS, 38), (&TASK_MEMORY, 18), (&CLUSTER, 4), (&LOGS, 9), (&IMAGES, 4), (&ALB, 8), (&GP3, 10), (&EGRESS, 9)];
pub(super) static BATCH: &[Part] =
    &[(&C6I_SPOT, 62), (&BUCKET, 9), (&LOGS, 7), (&QUEUE, 3), (&WORKFLOW, 7), (&GP3, 12)];
pub(super) static DATA: &[Part] = &[
    (&SPARK, 34),
    (&BUCKET, 16),
    (&SEARCH, 22),
    (&ETL, 11),
    (&LOGS, 4),
    (&GP3, 7),
    (&BUCKET_REQUESTS, 3),
    (&EGRESS, 3),
];
pub(super) static LAKE: &[Part] = &[(&BUCKET, 58), (&SCANS, 17), (&BUCKET_REQUESTS, 9), (&ETL, 12), (&LOGS, 4)];
pub(super) static STREAM: &[Part] =
    &[(&BROKERS, 44), (&SHARDS, 17), (&PUT_UNITS, 15), (&FUNCTION_TIME, 11), (&LOGS, 6), (&BUCKET, 7)];
pub(super) static EDGE: &[Part] =
    &[(&CDN, 41), (&TASKS, 13), (&BUCKET, 6), (&FIREWALL, 8), (&CDN_REQUESTS, 15), (&DNS, 4), (&LOGS, 4), (&EGRESS, 9)];
pub(super) static NETWORK: &[Part] =
    &[(&CONNECT, 31), (&NAT, 27), (&PRIVATE_LINK, 12), (&DNS, 5), (&LOGS, 6), (&EGRESS, 19)];
