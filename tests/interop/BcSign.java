/*
 * BcSign CONTENT P12 PASSWORD (ALGORITHM FORM OUT)... - sign a file by Bouncy
 * Castle, several ways. FORM is detached or opaque, with -der for DER; without
 * it the octets are as the library streams them, which is BER.
 */
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.Security;
import java.security.cert.Certificate;
import java.security.cert.X509Certificate;
import java.util.Arrays;

import org.bouncycastle.asn1.ASN1Encoding;
import org.bouncycastle.cert.jcajce.JcaCertStore;
import org.bouncycastle.cms.CMSProcessableByteArray;
import org.bouncycastle.cms.CMSSignedData;
import org.bouncycastle.cms.CMSSignedDataGenerator;
import org.bouncycastle.cms.CMSSignedDataStreamGenerator;
import org.bouncycastle.cms.SignerInfoGenerator;
import org.bouncycastle.cms.jcajce.JcaSimpleSignerInfoGeneratorBuilder;
import org.bouncycastle.jce.provider.BouncyCastleProvider;

public class BcSign {
	private static PrivateKey key;
	private static Certificate[] chain;
	private static byte[] content;

	public static void main(String[] args) throws Exception {
		Security.addProvider(new BouncyCastleProvider());
		char[] password = args[2].toCharArray();
		KeyStore store = KeyStore.getInstance("PKCS12", "BC");
		store.load(new FileInputStream(args[1]), password);
		String alias = store.aliases().nextElement();
		key = (PrivateKey) store.getKey(alias, password);
		chain = store.getCertificateChain(alias);
		content = Files.readAllBytes(Paths.get(args[0]));
		for (int i = 3; i + 2 < args.length; i += 3)
			sign(args[i], args[i + 1], args[i + 2]);
	}

	private static SignerInfoGenerator signer(String algorithm)
	    throws Exception {
		return new JcaSimpleSignerInfoGeneratorBuilder()
		    .setProvider("BC").build(algorithm, key,
		    (X509Certificate) chain[0]);
	}

	private static void sign(String algorithm, String form, String out)
	    throws Exception {
		boolean inside = form.startsWith("opaque");

		try (OutputStream file = new FileOutputStream(out)) {
			if (form.endsWith("-der"))
				file.write(whole(algorithm, inside)
				    .getEncoded(ASN1Encoding.DER));
			else
				stream(algorithm, inside, file);
		}
	}

	private static CMSSignedData whole(String algorithm, boolean inside)
	    throws Exception {
		CMSSignedDataGenerator made = new CMSSignedDataGenerator();

		made.addSignerInfoGenerator(signer(algorithm));
		made.addCertificates(new JcaCertStore(Arrays.asList(chain)));
		return made.generate(new CMSProcessableByteArray(content),
		    inside);
	}

	private static void stream(String algorithm, boolean inside,
	    OutputStream file) throws Exception {
		CMSSignedDataStreamGenerator made =
		    new CMSSignedDataStreamGenerator();

		made.addSignerInfoGenerator(signer(algorithm));
		made.addCertificates(new JcaCertStore(Arrays.asList(chain)));
		try (OutputStream in = made.open(file, inside)) {
			in.write(content);
		}
	}
}
